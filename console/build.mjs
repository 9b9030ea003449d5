// Builds the page's script, and the licences of the packages in it: node build.mjs [FOLDER]
// What it makes depends on the sources and package-lock.json alone; a test says when the committed files differ.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const folder = process.argv[2] ?? '../functions/endpoints/console/static'

const { metafile } = await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['src/main.ts'],
  outfile: `${folder}/upload.js`,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  alias: { 'tus-js-client': 'tus-js-client/lib/browser/index.js' }, // as it was written: half the size of what is transpiled
  legalComments: 'none',
  banner: { js: '// Built from console/ by esbuild. The licences of what is in it: licenses.txt' },
  metafile: true,
})

const inside = Object.keys(metafile.inputs).flatMap((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1] ?? [])
const licences = [...new Set(inside)].sort().map((name) => {
  const of = `${import.meta.dirname}/node_modules/${name}`
  const { version, license } = JSON.parse(readFileSync(`${of}/package.json`, 'utf8'))
  const file = readdirSync(of).find((one) => /^licen[sc]e/i.test(one))
  return `${name} ${version} (${license})\n\n${file ? readFileSync(`${of}/${file}`, 'utf8').trim() : `Licence: ${license}`}\n`
})
writeFileSync(`${folder}/licenses.txt`, licences.join(`\n${'-'.repeat(80)}\n\n`))
