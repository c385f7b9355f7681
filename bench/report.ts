/** One line of the table that a run ends with. */
export type Line = {
  readonly name: string
  readonly what: string
  /** What was measured, with its unit. */
  readonly figure: string
  /** What it is held against, and the bar. */
  readonly ratio: number
  readonly against: string
  readonly bar: number
  readonly met: boolean
  /** What else is worth knowing: times, CPU, memory. */
  readonly detail: Readonly<Record<string, number>>
}

/** A line whose ratio has to reach the bar. */
export function reaching(line: Omit<Line, 'met'>): Line {
  return { ...line, met: line.ratio >= line.bar }
}

/** A line whose ratio may not go beyond the bar. */
export function within(line: Omit<Line, 'met'>): Line {
  return { ...line, met: line.ratio <= line.bar }
}

export type Report = {
  readonly lines: readonly Line[]
  /** TPC-B by pgbench, where it is installed, and without it, side by side. */
  readonly driver: { readonly pgbench: number | null; readonly driver: number }
  readonly settings: Readonly<Record<string, string>>
  readonly payments: number
}

/** The report as people read it, and as docs/performance.md keeps it. */
export function table({ lines, driver, settings, payments }: Report): string {
  const print = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const columns = ['what', 'measured', 'ratio', 'to', 'bar', '']
  return [
    print(columns),
    print(columns.map(() => '---')),
    ...lines.map(({ what, figure, ratio, against, bar, met }) =>
      print([what, figure, ratio.toFixed(2), against, bar.toFixed(2), met ? 'met' : 'NOT met']),
    ),
    '',
    ...lines.flatMap(({ name, detail }) =>
      Object.keys(detail).length === 0
        ? []
        : [
            `${name}: ${Object.entries(detail)
              .map(([key, value]) => `${key} ${value.toFixed(value < 10 ? 2 : 0)}`)
              .join(', ')}`,
          ],
    ),
    '',
    `TPC-B by pgbench ${driver.pgbench?.toFixed(0) ?? 'not installed'}, without it ${driver.driver.toFixed(0)} a second`,
    `PostgreSQL: ${Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}`)
      .join(', ')}`,
    `${payments} payments, all verified`,
    '',
  ].join('\n')
}
