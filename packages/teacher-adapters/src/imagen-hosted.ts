export {
  type HostedImagenTeacher,
  type HostedImagenTeacherOptions,
  hostedImagenTeacher,
} from './imagen/hosted/adapter.js'
export type { HostedRecord, ResponseCache } from './imagen/hosted/cache.js'
export type { DrawnMask, EditMask, HostedAlignmentOptions } from './imagen/hosted/edit.js'
export { type HostedImages, type HostedImagesOptions, hostedImages } from './imagen/hosted/images.js'
export type { HostedEvent, HostedUsage, Price, Quota } from './imagen/hosted/meter.js'
export type { HostedFailure, HostedOptions, RetryOptions } from './imagen/hosted/options.js'
export type { PromptTemplate } from './imagen/hosted/prompt.js'
export type { ServiceMask } from './imagen/hosted/wire.js'
export type { ImageSource } from './training/image-source.js'
