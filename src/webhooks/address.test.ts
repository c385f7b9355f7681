import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { addressRules, LONGEST_URL } from './address.ts'

const rules = addressRules(false)
const local = addressRules(true)

describe('an address that a webhook goes to', () => {
  for (const [kind, addresses] of [
    ['unspecified', ['0.0.0.0', '0.1.2.3', '::']],
    ['loopback', ['127.0.0.1', '127.255.255.254', '::1']],
    ['private', ['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '192.168.255.255']],
    ['link-local', ['169.254.0.1', '169.254.169.254', 'fe80::1', 'febf::1', 'fe80::1%eth0']],
    ['unique local', ['fc00::1', 'fd00:ec2::254', 'fdff::1']],
    ['site-local of old', ['fec0::1']],
    ['carrier-grade NAT', ['100.64.0.1', '100.100.100.200', '100.127.255.255']],
    ['multicast', ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1']],
    ['broadcast and reserved', ['255.255.255.255', '240.0.0.1', '192.0.0.1', '192.88.99.1']],
    ['documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1']],
    ['benchmarking', ['198.18.0.1', '198.19.255.255', '2001:2::1']],
    ['IPv4 in IPv6', ['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:0:10.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1']],
    ['a tunnel', ['64:ff9b:1::a00:1', '2002:7f00:1::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2']],
    ['discard', ['100::1']],
    ['no address', ['', 'localhost', 'example.com', '1', '127.1', '0x7f000001', '1.2.3', '1.2.3.4.5', ':', '::g']],
  ] as const) {
    it(`is not ${kind}`, () => {
      for (const address of addresses) assert.equal(rules.allows(address), false, address)
    })
  }

  it('is any other of the public internet', () => {
    for (const address of ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0']) {
      assert.equal(rules.allows(address), true, address)
    }
    for (const address of [
      '100.63.255.255',
      '100.128.0.0',
      '169.253.0.1',
      '223.255.255.255',
      '2606:4700::1111',
      '2a00::1',
    ]) {
      assert.equal(rules.allows(address), true, address)
    }
  })

  it('is never in a private range, for any of its addresses', () => {
    const byte = fc.nat(255)
    const inRange = fc.oneof(
      fc.tuple(fc.constant(10), byte, byte, byte),
      fc.tuple(fc.constant(127), byte, byte, byte),
      fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
      fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
      fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte),
    )
    fc.assert(
      fc.property(inRange, (bytes) => {
        const address = bytes.join('.')
        assert.equal(rules.allows(address), false)
        assert.equal(rules.allows(`::ffff:${address}`), false)
        assert.match(rules.refuseUrl(`https://${address}/`) ?? '', /private/)
        const number = bytes.reduce((sum, part) => sum * 256 + part, 0)
        for (const spelling of [`${number}`, `0x${number.toString(16)}`, `0${number.toString(8)}`]) {
          assert.match(rules.refuseUrl(`https://${spelling}/`) ?? '', /private/, spelling)
        }
      }),
    )
  })

  it('may be any, where that is configured', () => {
    for (const address of ['127.0.0.1', '::1', '10.0.0.1', '169.254.169.254']) assert.equal(local.allows(address), true)
    assert.equal(local.allows('localhost'), false)
  })
})

describe('the URL of a webhook', () => {
  for (const [url, refusal] of [
    ['https://example.com/hooks?a=1', undefined],
    ['https://example.com:8443', undefined],
    ['https://8.8.8.8/', undefined],
    ['https://[2606:4700::1111]/', undefined],
    ['https://bücher.example/', undefined],
    ['https://localhost.example.com/', undefined],
    ['http://example.com/', /https/],
    ['ftp://example.com/', /https/],
    ['file:///etc/passwd', /https/],
    ['javascript:alert(1)', /https/],
    ['https://user@example.com/', /user/],
    ['https://user:password@example.com/', /user/],
    ['https://example.com/#part', /fragment/],
    ['https://example.com:0/', /port 0/],
    ['https://', /no URL/],
    ['example.com', /no URL/],
    ['', /no URL/],
    [`https://example.com/${'a'.repeat(LONGEST_URL)}`, /2048/],
    ['https://localhost/', /private/],
    ['https://LOCALHOST./', /private/],
    ['https://api.localhost/', /private/],
    ['https://127.0.0.1/', /private/],
    ['https://127.1/', /private/],
    ['https://2130706433/', /private/],
    ['https://0x7f.0.0.1/', /private/],
    ['https://0x7f000001/', /private/],
    ['https://0177.0.0.1/', /private/],
    ['https://１２７.0.0.1/', /private/],
    ['https://127%2e0.0.1/', /private/],
    ['https://0/', /private/],
    ['https://10.1.2.3/', /private/],
    ['https://169.254.169.254/latest/meta-data', /private/],
    ['https://[::1]/', /private/],
    ['https://[::]/', /private/],
    ['https://[::ffff:127.0.0.1]/', /private/],
    ['https://[::ffff:a9fe:a9fe]/', /private/],
    ['https://[fd00:ec2::254]/', /private/],
  ] as const) {
    it(`${url.slice(0, 60) || 'that is empty'} is ${refusal ? `refused: ${refusal.source}` : 'taken'}`, () => {
      const found = rules.refuseUrl(url)
      if (refusal) assert.match(found ?? '', refusal)
      else assert.equal(found, undefined)
    })
  }

  it('may be http and private where that is configured, and nothing else', () => {
    for (const url of ['http://127.0.0.1:8080/', 'http://localhost/', 'https://10.0.0.1/']) {
      assert.equal(local.refuseUrl(url), undefined)
    }
    for (const url of ['ftp://localhost/', 'http://a:b@localhost/', 'http://localhost/#x'])
      assert.ok(local.refuseUrl(url))
  })
})
