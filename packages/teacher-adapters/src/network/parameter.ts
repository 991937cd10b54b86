/** One array of a network: its name and shape in PyTorch's files, where it lies in tfjs, and how it starts. */
export interface ParameterSpec {
  name: string
  /** Shape in PyTorch's order (OIHW, [out, in], CHW). */
  shape: number[]
  /**
   * How PyTorch's order becomes tfjs's: the data, seen as `view`, is transposed by `order` and then has `tensorShape`.
   * Convolutions become HWIO (HWOI where they run transposed), fully connected weights [in, out].
   */
  view: number[]
  order: number[]
  tensorShape: number[]
  /** Not trained: it is measured or drawn once. */
  buffer: boolean
  /** Standard deviation of the normal initial values, 0 for a constant. */
  std: number
  /** The initial value of a constant. */
  constant: number
}

type Start = Partial<Pick<ParameterSpec, 'buffer' | 'std' | 'constant'>>

/** A parameter whose axes keep their order, or take the one given, for instance OIHW to HWIO. */
export const parameter = (
  name: string,
  shape: number[],
  start: Start,
  view = shape,
  order?: number[],
): ParameterSpec => {
  const axes = order ?? view.map((_, i) => i)
  return {
    name,
    shape,
    view,
    order: axes,
    tensorShape: axes.map(axis => view[axis]!),
    buffer: false,
    std: 0,
    constant: 0,
    ...start,
  }
}
