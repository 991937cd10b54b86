import type { FileHandle } from 'node:fs/promises'

type Files = typeof import('node:fs/promises')

/** Bytes that are left; shared by a test and the module that it mocks. */
export const disk = { left: Number.POSITIVE_INFINITY }

/** A disk with so many bytes left: the write that does not fit fails half-way, as a real one does. */
export const onSmallDisk = (real: Files): Files & { default: Files } => {
  const open = async (...args: Parameters<Files['open']>): Promise<FileHandle> => {
    const file = await real.open(...args)
    const write = file.writeFile.bind(file)
    file.writeFile = async data => {
      const bytes = typeof data === 'string' ? Buffer.from(data) : (data as Uint8Array)
      await write(bytes.subarray(0, Math.min(bytes.length, disk.left)))
      disk.left -= bytes.length
      if (disk.left < 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    }
    return file
  }
  return { ...real, default: real, open }
}
