import { FxError, listed } from '@fx/core'
import * as z from 'zod'

/**
 * The UNet of DeepFloyd IF, which follows Imagen. The names are those of diffusers' `UNet2DConditionModel`, and so are the
 * defaults, except where IF always differs.
 */
export interface UnetConfig {
  /** Side of the images it was made for, pixels. It works at other sizes too. */
  sampleSize: number
  /** Default 3; 6 for super-resolution, which sees the low-resolution image as well. */
  inChannels?: number
  /** Default 3; 6 when the variance is learned. */
  outChannels?: number
  /** Channels of each level, the finest first. Multiples of `normNumGroups`. */
  blockOutChannels: readonly number[]
  /** Residual blocks of each level on the way down; one more on the way up. Default 1. */
  layersPerBlock?: number | readonly number[]
  /** Which levels attend to the text and to themselves. Default: all but the finest. */
  attention?: readonly boolean[]
  /** Attend to the text only, as IF's last super-resolution does. Default false. */
  onlyCrossAttention?: boolean
  /** Channels of an attention head. Default 64. */
  attentionHeadDim?: number
  /** Width of the text embeddings, 4096 for T5-XXL. */
  encoderHidDim: number
  /** Width that text is projected to for attention; a multiple of 32. */
  crossAttentionDim: number
  /** Heads of the attention that pools the text into one vector; a divisor of `encoderHidDim`. Default 64. */
  additionEmbedTypeNumHeads?: number
  /** `'timestep'` for a network that is told the noise level of its low-resolution image. Default null. */
  classEmbedType?: 'timestep' | null
  /** Width of the time embedding. Default four times the first of `blockOutChannels`. */
  timeEmbeddingDim?: number | null
  /** Default `'gelu'`, the exact one. */
  actFn?: 'gelu' | 'silu'
  /** Default 32. */
  normNumGroups?: number
  /** Default 1e-5. */
  normEps?: number
  /** The time embedding passes the activation once and not in every block. Default false. */
  resnetSkipTimeAct?: boolean
  /** Residual sums are divided by it. Default 1. */
  resnetOutScaleFactor?: number
  /** The same in the middle block. Default 1. */
  midBlockScaleFactor?: number
  /**
   * Squares of so many pixels a side become channels at the entrance and pixels again at the exit: a network for a large
   * image at the price of a small one (Luhman and Luhman, 2022). Not in diffusers, hence in no published network. Default 1.
   */
  patchSize?: number
}

/** A config with its defaults. */
export interface ResolvedUnetConfig extends Required<UnetConfig> {
  layersPerBlock: readonly number[]
  timeEmbeddingDim: number
}

const count = z.int().min(1).max(65_536)
const DOWN = ['ResnetDownsampleBlock2D', 'SimpleCrossAttnDownBlock2D'] as const
const UP = ['ResnetUpsampleBlock2D', 'SimpleCrossAttnUpBlock2D'] as const
const MID = 'UNetMidBlock2DSimpleCrossAttn'

/** What this code builds, and no other network of the many that `UNet2DConditionModel` can be. */
const published = z.object({
  sample_size: count,
  in_channels: count,
  out_channels: count,
  down_block_types: z.array(z.enum(DOWN)),
  mid_block_type: z.literal(MID),
  up_block_types: z.array(z.enum(UP)),
  only_cross_attention: z.boolean(),
  block_out_channels: z.array(count).min(1).max(8),
  layers_per_block: z.union([count, z.array(count)]),
  mid_block_scale_factor: z.number().positive().default(1),
  act_fn: z.enum(['gelu', 'silu', 'swish']),
  norm_num_groups: count,
  norm_eps: z.number().positive(),
  cross_attention_dim: count,
  encoder_hid_dim: count,
  encoder_hid_dim_type: z.literal('text_proj').nullish(),
  attention_head_dim: count,
  class_embed_type: z.literal('timestep').nullish(),
  addition_embed_type: z.literal('text'),
  addition_embed_type_num_heads: count.default(64),
  resnet_time_scale_shift: z.literal('scale_shift'),
  resnet_skip_time_act: z.boolean().default(false),
  resnet_out_scale_factor: z.number().positive().default(1),
  time_embedding_type: z.literal('positional').nullish(),
  time_embedding_dim: count.nullish(),
  time_embedding_act_fn: z.enum(['gelu', 'silu', 'swish']).nullish(),
  cross_attention_norm: z.literal('group_norm'),
  flip_sin_to_cos: z.literal(true).default(true),
  freq_shift: z.literal(0).default(0),
  center_input_sample: z.literal(false).default(false),
  conv_in_kernel: z.literal(3).default(3),
  conv_out_kernel: z.literal(3).default(3),
  mid_block_only_cross_attention: z.boolean().nullish(),
  patch_size: count.default(1),
})

/**
 * Reads the `config.json` of a diffusers UNet.
 *
 * @throws FxError `unsupported`, naming every field of a network other than IF's.
 */
export const parseUnetConfig = (json: unknown): ResolvedUnetConfig => {
  const parsed = published.safeParse(json)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'config'}: ${message}`)
    throw new FxError('unsupported', `imagen: this is not the UNet of DeepFloyd IF. ${issues.slice(0, 5).join('; ')}`, {
      details: { issues },
    })
  }
  const c = parsed.data
  if (c.mid_block_only_cross_attention != null && c.mid_block_only_cross_attention !== c.only_cross_attention) {
    throw new FxError('unsupported', 'imagen: mid_block_only_cross_attention must equal only_cross_attention')
  }
  const attention = c.down_block_types.map(type => type === DOWN[1])
  const up = c.up_block_types.map(type => type === UP[1]).reverse()
  if (up.length !== attention.length || up.some((value, level) => value !== attention[level])) {
    throw new FxError('unsupported', 'imagen: the UNet must attend at the same levels on its way up and down')
  }
  const silu = c.act_fn !== 'gelu'
  const timeAct = c.time_embedding_act_fn
  if (timeAct != null && ((timeAct !== 'gelu') !== silu || !c.resnet_skip_time_act)) {
    throw new FxError('unsupported', 'imagen: time_embedding_act_fn needs act_fn and resnet_skip_time_act to agree')
  }
  return resolveUnetConfig({
    sampleSize: c.sample_size,
    inChannels: c.in_channels,
    outChannels: c.out_channels,
    blockOutChannels: c.block_out_channels,
    layersPerBlock: c.layers_per_block,
    attention,
    onlyCrossAttention: c.only_cross_attention,
    attentionHeadDim: c.attention_head_dim,
    encoderHidDim: c.encoder_hid_dim,
    crossAttentionDim: c.cross_attention_dim,
    additionEmbedTypeNumHeads: c.addition_embed_type_num_heads,
    classEmbedType: c.class_embed_type ?? null,
    timeEmbeddingDim: c.time_embedding_dim ?? null,
    actFn: silu ? 'silu' : 'gelu',
    normNumGroups: c.norm_num_groups,
    normEps: c.norm_eps,
    resnetSkipTimeAct: c.resnet_skip_time_act,
    resnetOutScaleFactor: c.resnet_out_scale_factor,
    midBlockScaleFactor: c.mid_block_scale_factor,
    patchSize: c.patch_size,
  })
}

/** The config as diffusers writes it. */
export const encodeUnetConfig = (config: UnetConfig): Record<string, unknown> => {
  const c = resolveUnetConfig(config)
  return {
    _class_name: 'UNet2DConditionModel',
    sample_size: c.sampleSize,
    in_channels: c.inChannels,
    out_channels: c.outChannels,
    down_block_types: c.attention.map(attends => DOWN[attends ? 1 : 0]),
    mid_block_type: MID,
    up_block_types: c.attention.map(attends => UP[attends ? 1 : 0]).reverse(),
    only_cross_attention: c.onlyCrossAttention,
    block_out_channels: c.blockOutChannels,
    layers_per_block: c.layersPerBlock,
    mid_block_scale_factor: c.midBlockScaleFactor,
    act_fn: c.actFn,
    norm_num_groups: c.normNumGroups,
    norm_eps: c.normEps,
    cross_attention_dim: c.crossAttentionDim,
    encoder_hid_dim: c.encoderHidDim,
    encoder_hid_dim_type: 'text_proj',
    attention_head_dim: c.attentionHeadDim,
    class_embed_type: c.classEmbedType,
    addition_embed_type: 'text',
    addition_embed_type_num_heads: c.additionEmbedTypeNumHeads,
    resnet_time_scale_shift: 'scale_shift',
    resnet_skip_time_act: c.resnetSkipTimeAct,
    resnet_out_scale_factor: c.resnetOutScaleFactor,
    time_embedding_type: 'positional',
    time_embedding_dim: c.timeEmbeddingDim,
    time_embedding_act_fn: c.resnetSkipTimeAct ? c.actFn : null,
    cross_attention_norm: 'group_norm',
    flip_sin_to_cos: true,
    freq_shift: 0,
    ...(c.patchSize > 1 && { patch_size: c.patchSize }),
  }
}

/** Groups of the norm that text passes before attention; fixed in diffusers. */
export const TEXT_NORM_GROUPS = 32

/**
 * A config with its defaults.
 *
 * @throws FxError `invalid-argument` for sizes that do not fit together.
 */
export const resolveUnetConfig = (config: UnetConfig): ResolvedUnetConfig => {
  const levels = config.blockOutChannels.length
  const layers = config.layersPerBlock ?? 1
  const resolved: ResolvedUnetConfig = {
    inChannels: 3,
    outChannels: 3,
    onlyCrossAttention: false,
    attentionHeadDim: 64,
    additionEmbedTypeNumHeads: 64,
    classEmbedType: null,
    actFn: 'gelu',
    normNumGroups: 32,
    normEps: 1e-5,
    resnetSkipTimeAct: false,
    resnetOutScaleFactor: 1,
    midBlockScaleFactor: 1,
    patchSize: 1,
    ...config,
    attention: config.attention ?? config.blockOutChannels.map((_, level) => level > 0),
    layersPerBlock: typeof layers === 'number' ? Array.from({ length: levels }, () => layers) : layers,
    timeEmbeddingDim: config.timeEmbeddingDim ?? 4 * (config.blockOutChannels[0] ?? 0),
  }
  const wrong = (message: string): never => {
    throw new FxError('invalid-argument', `imagen: ${message}`)
  }
  const { blockOutChannels, attention, layersPerBlock, normNumGroups, attentionHeadDim, crossAttentionDim } = resolved
  const counts = { ...resolved, blockOutChannels: 1, layersPerBlock: 1 }
  for (const [name, value] of [
    ...Object.entries(counts).filter(([, value]) => typeof value === 'number'),
    ...blockOutChannels.map(value => ['blockOutChannels', value] as const),
    ...layersPerBlock.map(value => ['layersPerBlock', value] as const),
  ]) {
    const whole = !/(Eps|Factor)$/.test(name)
    if (!(Number(value) > 0) || (whole && !Number.isInteger(value))) {
      wrong(`${name} is ${value}; it must be a positive ${whole ? 'integer' : 'number'}`)
    }
  }
  if (levels === 0) wrong('blockOutChannels must name at least one level')
  if (attention.length !== levels) wrong(`attention must have ${levels} values, one a level, got ${attention.length}`)
  if (layersPerBlock.length !== levels) {
    wrong(`layersPerBlock must have ${levels} values, one a level, got ${layersPerBlock.length}`)
  }
  const odd = blockOutChannels.find(channels => channels % normNumGroups !== 0)
  if (odd !== undefined) wrong(`blockOutChannels ${odd} is no multiple of normNumGroups ${normNumGroups}`)
  // The middle block always attends.
  const split = blockOutChannels.find(
    (channels, level) => (attention[level] || level === levels - 1) && channels % attentionHeadDim !== 0,
  )
  if (split !== undefined) wrong(`blockOutChannels ${split} is no multiple of attentionHeadDim ${attentionHeadDim}`)
  if (crossAttentionDim % TEXT_NORM_GROUPS !== 0) {
    wrong(`crossAttentionDim is ${crossAttentionDim}; it must be a multiple of ${TEXT_NORM_GROUPS}`)
  }
  if (resolved.encoderHidDim % resolved.additionEmbedTypeNumHeads !== 0) {
    wrong(
      `additionEmbedTypeNumHeads ${resolved.additionEmbedTypeNumHeads} does not divide encoderHidDim ${resolved.encoderHidDim}`,
    )
  }
  if (!['gelu', 'silu'].includes(resolved.actFn)) {
    wrong(`actFn is '${resolved.actFn}'; choose ${listed(['gelu', 'silu'])}`)
  }
  return resolved
}
