/** The first requests find a process of the bench with its code cold, which says nothing of whom it asks: they do not count. */
export const WARM_UP_MS = 500
