/** Holds one thing that takes time to open, and what it replaces until that can go. */
export interface Slot<T> {
  /** The thing of this key: the present one, or a new one. What it replaces goes at once unless it was open already. */
  take(key: readonly unknown[], open: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Closes all but the present one. */
  settle(): void
  /** Closes all. */
  clear(): void
}

interface Entry<T> {
  key: readonly unknown[]
  controller: AbortController
  opening: Promise<T>
  open: boolean
}

export const sameKey = (a: readonly unknown[], b: readonly unknown[] | undefined): boolean =>
  a.length === b?.length && a.every((value, i) => Object.is(value, b[i]))

export const createSlot = <T>(close: (value: T) => void): Slot<T> => {
  let present: Entry<T> | undefined
  let past: Entry<T>[] = []

  const giveUp = ({ controller, opening }: Entry<T>): void => {
    controller.abort()
    // Whoever waits for it hears why it failed.
    opening.then(close, () => {})
  }
  const settle = (): void => {
    for (const entry of past) giveUp(entry)
    past = []
  }

  return {
    take: (key, open) => {
      if (present !== undefined && sameKey(key, present.key)) return present.opening
      if (present?.open) past.push(present)
      else if (present !== undefined) giveUp(present)
      // Back to what has not gone yet.
      present = past.find(entry => sameKey(key, entry.key))
      past = past.filter(entry => entry !== present)
      if (present !== undefined) return present.opening
      const controller = new AbortController()
      const entry: Entry<T> = { key, controller, opening: open(controller.signal), open: false }
      present = entry
      entry.opening.then(
        () => {
          entry.open = true
        },
        () => {},
      )
      return entry.opening
    },
    settle,
    clear: () => {
      settle()
      if (present !== undefined) giveUp(present)
      present = undefined
    },
  }
}
