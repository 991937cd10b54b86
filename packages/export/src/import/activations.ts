import { listed } from '@fx/core'
import { channelsOf, type LayerCall, unsupported } from './context.js'

const unary = ['relu', 'relu6', 'sigmoid', 'tanh', 'elu', 'selu', 'softplus', 'softmax'] as const

type Unary = (typeof unary)[number]

const isUnary = (name: string): name is Unary => (unary as readonly string[]).includes(name)

/** Adds the activation `name` of tfjs-layers after node `input` and gives the name of the result. */
export const emitActivation = (call: LayerCall, name: unknown, input: string, suffix?: string): string => {
  const shape = call.outputShape
  const emit: LayerCall['emit'] = (operation, inputs, shape, part) =>
    call.emit(operation, inputs, shape, [suffix, part].filter(Boolean).join('_') || undefined)
  if (name == null || name === 'linear') return input
  if (typeof name === 'string' && isUnary(name)) return emit({ op: 'unary', fn: name }, [input], shape)
  if (name === 'hardSigmoid') {
    // tfjs and Keras 2: clip(0.2 x + 0.5, 0, 1). The line folds into the convolution before it.
    const channels = channelsOf(call, shape)
    const line = emit(
      { op: 'affine', scale: new Float32Array(channels).fill(0.2), offset: new Float32Array(channels).fill(0.5) },
      [input],
      shape,
      'line',
    )
    return emit({ op: 'clip', min: 0, max: 1 }, [line], shape)
  }
  if (name === 'swish') {
    const gate = emit({ op: 'unary', fn: 'sigmoid' }, [input], shape, 'gate')
    return emit({ op: 'binary', fn: 'multiply' }, [gate, input], shape)
  }
  throw unsupported(
    call,
    `its activation is ${JSON.stringify(name)}, allowed are ${listed(['linear', ...unary, 'hardSigmoid', 'swish'])}`,
  )
}
