/** Names by which graphics adapters are known that compute on the CPU. */
export const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp|software/i
