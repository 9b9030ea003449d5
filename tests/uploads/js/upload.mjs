// Uploads one file with a stranger's client: node upload.mjs '{"client": "tus-js-client", "endpoint": …, "token": …, "path": …}'
// Prints the upload's URL, and what the reply to the last request said of the version.
import { createReadStream, readFileSync, statSync } from 'node:fs'

const wanted = JSON.parse(process.argv[2])
const delays = Array(400).fill(200)
const headers = { Authorization: `Bearer ${wanted.token}` }

async function withTusJsClient() {
  const tus = await import('tus-js-client')
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(createReadStream(wanted.path), {
      endpoint: wanted.endpoint,
      headers,
      chunkSize: wanted.chunk,
      uploadSize: wanted.parallel ? undefined : statSync(wanted.path).size,
      parallelUploads: wanted.parallel ?? 1,
      uploadDataDuringCreation: wanted.atOnce ?? false,
      retryDelays: delays,
      onShouldRetry: () => true,
      metadata: { filename: wanted.filename, filetype: 'application/octet-stream' },
      onError: reject,
      onSuccess: () => resolve(upload.url),
    })
    upload.start()
  })
}

async function withUppy() {
  const { default: Uppy } = await import('@uppy/core')
  const { default: Tus } = await import('@uppy/tus')
  const data = readFileSync(wanted.path)
  data.size = data.length // what a Blob has
  const uppy = new Uppy().use(Tus, {
    endpoint: wanted.endpoint,
    headers,
    chunkSize: wanted.chunk,
    retryDelays: delays,
    onShouldRetry: () => true,
    removeFingerprintOnSuccess: true,
  })
  uppy.addFile({ name: wanted.filename, type: 'application/octet-stream', data })
  const { successful, failed } = await uppy.upload()
  if (failed.length) throw new Error(failed[0].error)
  return successful[0].uploadURL
}

const clients = { 'tus-js-client': withTusJsClient, '@uppy/tus': withUppy }
console.log(await clients[wanted.client]())
process.exit(0)
