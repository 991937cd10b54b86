import { type Machine, PyTuple, type PyValue } from './values.js'

/** A pickle of a million open lists or marks is an attack: real ones stay below a few thousand. */
const maxStack = 100_000
const maxMarks = 1_000

/** The machine's stack; each MARK sets the items below it aside until they are wanted again. */
export class PickleStack {
  private items: PyValue[] = []
  private readonly below: PyValue[][] = []

  constructor(private readonly machine: Machine) {}

  push(value: PyValue): void {
    if (this.items.length >= maxStack)
      throw this.machine.unsupported(`its pickle nests deeper than ${maxStack} open values`)
    this.items.push(value)
  }

  pop(): PyValue {
    const value = this.items.pop()
    if (value === undefined) throw this.machine.corrupt('its pickle takes a value from an empty stack')
    return value
  }

  top(): PyValue {
    const value = this.items.at(-1)
    if (value === undefined) throw this.machine.corrupt('its pickle looks at an empty stack')
    return value
  }

  tuple(): readonly PyValue[] {
    const value = this.pop()
    if (!(value instanceof PyTuple)) throw this.machine.corrupt('its pickle passes arguments that are not a tuple')
    return value.items
  }

  /** POP: takes away a value, or the mark when nothing lies above it. */
  drop(): void {
    if (this.items.length > 0) this.items.pop()
    else this.popMark()
  }

  mark(): void {
    if (this.below.length >= maxMarks)
      throw this.machine.unsupported(`its pickle nests deeper than ${maxMarks} open marks`)
    this.below.push(this.items)
    this.items = []
  }

  /** The values above the last mark, which goes with them. */
  popMark(): PyValue[] {
    const values = this.items
    const items = this.below.pop()
    if (items === undefined) throw this.machine.corrupt('its pickle closes a mark that it never set')
    this.items = items
    return values
  }
}
