export { SHARD_FORMAT_VERSION, type ShardFile, type ShardManifest } from './shards/manifest.js'
export { type OpenShardsOptions, openShards, readShards, type ShardReader } from './shards/read.js'
export { recordShards, type WriteProgress, type WriteShardsOptions, writeShards } from './shards/write.js'
