// Uploads one file with a stranger's client, and goes on where it was:
// node upload.mjs '{"client": "tus-js-client", "server": …, "token": …, "path": …, "state": …, …}'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { FileUrlStorage, Upload } from 'tus-js-client'

const wanted = JSON.parse(process.argv[2])
const often = {
  endpoint: `${wanted.server}/uploads`,
  headers: { Authorization: `Bearer ${wanted.token}` },
  chunkSize: wanted.chunk,
  retryDelays: Array(400).fill(200),
  onShouldRetry: () => true,
  urlStorage: new FileUrlStorage(wanted.state),
}

async function withTusJsClient() {
  return new Promise((resolve, reject) => {
    const upload = new Upload(createReadStream(wanted.path), {
      ...often,
      uploadSize: wanted.parallel ? undefined : statSync(wanted.path).size,
      parallelUploads: wanted.parallel ?? 1,
      uploadDataDuringCreation: wanted.atOnce ?? false,
      metadata: { filename: wanted.filename, filetype: 'application/octet-stream' },
      onError: reject,
      onSuccess: resolve,
    })
    upload.findPreviousUploads().then(([previous]) => {
      if (previous) upload.resumeFromPreviousUpload(previous)
      upload.start()
    }, reject)
  })
}

async function withUppy() {
  const { default: Uppy } = await import('@uppy/core')
  const { default: Tus } = await import('@uppy/tus')
  const data = readFileSync(wanted.path)
  data.size = data.length // what a Blob has
  const uppy = new Uppy().use(Tus, { ...often, removeFingerprintOnSuccess: true })
  uppy.addFile({ name: wanted.filename, type: 'application/octet-stream', data })
  const { failed } = await uppy.upload()
  if (failed.length) throw new Error(failed[0].error)
}

const clients = { 'tus-js-client': withTusJsClient, '@uppy/tus': withUppy }
await clients[wanted.client]()
process.exit(0)
