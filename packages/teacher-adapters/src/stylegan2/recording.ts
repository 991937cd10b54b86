import * as tf from '@tensorflow/tfjs-core'

/** True while a tape records what runs, so that it can be differentiated. */
export const recording = (): boolean => tf.engine().state.gradientDepth > 0
