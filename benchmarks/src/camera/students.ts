import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeEffectBundle } from '@fx/export/node'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { naturalImages } from '@fx/teacher-adapters/procedural'
import { type Student, unetStudent } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'

const side = 256

/** The students that are measured, with random weights. */
export const cameraStudents = {
  nano: () => unetStudent({ inputSize: side, preset: 'nano', seed: 1 }),
  small: () => unetStudent({ inputSize: side, preset: 'small', seed: 1 }),
  quickstart: () =>
    unetStudent({ inputSize: side, encoder: mobilenetEncoder({ width: 0.5, batchNormMomentum: 0.9 }), seed: 1 }),
} satisfies Record<string, () => Student>

export type CameraStudent = keyof typeof cameraStudents

const writeLayers = async (folder: string, model: LayersModel): Promise<void> => {
  await mkdir(folder, { recursive: true })
  const { modelTopology, weightSpecs, weightData } = await new Promise<tf.io.ModelArtifacts>(resolve => {
    const save = async (artifacts: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
      resolve(artifacts)
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } }
    }
    void model.save(tf.io.withSaveHandler(save))
  })
  const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
  await writeFile(join(folder, 'model.json'), JSON.stringify({ modelTopology, weightsManifest }))
  await writeFile(join(folder, 'weights.bin'), Buffer.from(weightData as ArrayBuffer))
}

/** Writes each student as a bundle that ships a matte, `NAME/effect.json`, and as Keras layers, `NAME-layers/model.json`. */
export const writeCameraStudents = async (folder: string): Promise<void> => {
  for (const [name, create] of Object.entries(cameraStudents)) {
    const student = create()
    await writeEffectBundle(join(folder, name), {
      model: student.model,
      tflite: true,
      matte: true,
      effect: { id: name, prompt: 'random weights', parameters: {} },
      studentSpecHash: 'benchmark',
      probe: naturalImages({ seed: 0, size: side }),
      card: {
        name,
        description: 'Random weights',
        licence: 'CC0-1.0',
        provenance: { teacher: 'none', teacherVersion: '1', licences: [] },
        metrics: {},
      },
    })
    await writeLayers(join(folder, `${name}-layers`), student.model)
    student.dispose()
  }
}
