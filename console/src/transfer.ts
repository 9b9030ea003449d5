// One file on its way, from the queue to the version that it becomes. tus-js-client carries the bytes; what a failed request means is
// decided in `deciding`, so that an upload's address is never thrown away because a token has ended.

import { type DetailedError, Upload } from 'tus-js-client'
import { type Api, ENDPOINT, Refused, type Version, here, problemIn, versionIn } from './api.js'
import { type Failure, type Next, type Verdict, next, pause } from './deciding.js'
import { labelsOf, nameOf } from './paths.js'
import { Speed } from './speed.js'
import { forget, remember } from './unfinished.js'

/** Bytes of one request, large at first: a token is looked at once for each. */
const CHUNK = 32 * 2 ** 20
/** Where a proxy passes no such request on: many take 1 MiB unless they are told otherwise. */
const SMALL_CHUNK = 768 * 2 ** 10
const LOOK_SECONDS = 1
/** A connection of which nothing is heard for so long is dead, though nobody has said so. */
const STILL_SECONDS = 60

/** What is known to pass: one proxy is in front of all uploads. */
let passing = CHUNK

export type State =
  | 'queued'
  | 'uploading'
  | 'storing' // all bytes are there; they are put together, scanned and published
  | 'interrupted' // it is tried again by itself
  | 'signed out'
  | 'asking'
  | 'paused'
  | 'unfinished' // of an earlier visit: it goes on once the file is chosen again
  | 'done'
  | 'skipped'
  | 'failed'

export const RUNNING: ReadonlySet<State> = new Set(['uploading', 'storing', 'interrupted'])
export const OVER: ReadonlySet<State> = new Set(['done', 'skipped', 'failed'])

export interface Source {
  path: string
  size: number
  modified: number
}

export class Transfer {
  state: State
  sent = 0
  detail = ''
  verdict: Verdict | null = null
  version: Version | null = null
  /** The asset that is there already, while it asks. */
  taken = ''
  readonly speed = new Speed()

  #mayReplace = false
  #carrier: Upload | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #attempts = 0
  #safe = 0
  #moved = 0
  #chunk = CHUNK
  #user: string

  /** Without a `file` it is one of an earlier visit, at `url`. */
  constructor(
    readonly source: Source,
    private readonly api: Api,
    private readonly changed: (transfer: Transfer) => void,
    private file: File | null,
    private url: string | null = null,
  ) {
    this.state = file === null ? 'unfinished' : 'queued'
    this.#user = api.user
  }

  is({ path, size, modified }: Source): boolean {
    return this.source.path === path && this.source.size === size && this.source.modified === modified
  }

  /** The file of an upload of an earlier visit. */
  give(file: File): void {
    this.file = file
    this.#to('queued')
  }

  /** Seen at the server: how much of it is safe, or what it has become. */
  seen(sent: number, version: Version | null): void {
    this.sent = sent
    if (version !== null) this.#done(version)
  }

  start(): void {
    if (this.file === null) return
    clearTimeout(this.#timer)
    let first = true
    this.#chunk = passing
    const carrier = new Upload(this.file, {
      endpoint: this.url === null ? ENDPOINT : null,
      uploadUrl: this.url,
      chunkSize: this.#chunk,
      retryDelays: null,
      storeFingerprintForResuming: false,
      metadata: this.#metadata(),
      onBeforeRequest: (request) => request.setHeader('Authorization', this.api.authorization),
      onUploadUrlAvailable: () => {
        if (carrier.url === null) return
        carrier.url = this.url = here(carrier.url)
        remember(this.#user, { ...this.source, url: this.url })
      },
      onProgress: (sent) => {
        if (first && sent > this.#safe) this.#attempts = 0 // what the server says that it has
        if (first) this.#safe = sent
        first = false
        this.#progress(sent)
      },
      onChunkComplete: (_, accepted) => {
        this.#attempts = 0
        this.#safe = accepted
      },
      onSuccess: ({ lastResponse }) => {
        const version = versionIn((name) => lastResponse.getHeader(name))
        if (version !== null) this.#done(version)
        else this.#wait()
      },
      onError: (error) => void this.#failed(failureOf(error as DetailedError, this.url !== null)),
    })
    this.#carrier = carrier
    this.#moved = performance.now()
    this.#to('uploading')
    carrier.start()
  }

  pause(): void {
    this.#stop()
    this.#to('paused')
  }

  resume(): void {
    this.detail = ''
    this.#attempts = 0
    this.#to('queued')
  }

  /** The network is back. */
  hurry(): void {
    if (this.state === 'interrupted') this.start()
  }

  /** The network is gone, or nothing has moved for too long: what is under way is given up, and tried again. */
  interrupt(): void {
    if (this.state !== 'uploading') return
    this.#stop()
    this.#follow({ kind: 'again', after: null })
  }

  get stands(): boolean {
    return this.state === 'uploading' && performance.now() - this.#moved > STILL_SECONDS * 1000
  }

  answer(replace: boolean): void {
    this.#mayReplace = replace
    if (replace) this.#to('queued')
    else this.#over('skipped')
  }

  /** Nothing of it stays. Where the server cannot be told, the upload ends there by itself in a day. */
  async cancel(): Promise<void> {
    this.#stop()
    forget(this.#user, this.source)
    if (this.url !== null && !OVER.has(this.state)) await this.api.cancel(this.url).catch(() => undefined)
  }

  /** As the page is left: what is at the server stays, to go on with. */
  leave(): void {
    this.#stop()
  }

  #metadata(): Record<string, string> {
    const labels = labelsOf(this.source.path)
    return {
      filename: nameOf(this.source.path),
      ...(this.file?.type ? { filetype: this.file.type } : {}),
      ...(Object.keys(labels).length > 0 ? { labels: JSON.stringify(labels) } : {}),
      ...(this.#mayReplace ? {} : { if_none_match: '*' }),
    }
  }

  #stop(): void {
    clearTimeout(this.#timer)
    void this.#carrier?.abort()
    this.#carrier = null
    this.speed.forget()
  }

  #to(state: State): void {
    this.state = state
    this.changed(this)
  }

  #progress(sent: number): void {
    if (sent !== this.sent) this.#moved = performance.now()
    this.sent = sent
    this.speed.add(sent, performance.now() / 1000)
    if (sent === this.source.size && this.state === 'uploading') this.#to('storing')
  }

  #over(state: State): void {
    forget(this.#user, this.source)
    this.#carrier = null
    this.url = null
    this.#to(state)
  }

  #done(version: Version): void {
    this.version = version
    this.sent = this.source.size
    this.#over('done')
    this.file = null
  }

  /** All bytes are there, and it takes longer than a request. */
  #wait(): void {
    const url = this.url
    if (url === null) return
    if (this.state !== 'storing') this.#to('storing')
    this.#timer = setTimeout(() => {
      this.api.outcome(url, this.source.size).then(
        (version) => (version === null ? this.#wait() : this.#done(version)),
        (error: unknown) => void this.#failed(error instanceof Refused ? error.failure : null),
      )
    }, LOOK_SECONDS * 1000)
  }

  async #failed(failure: Failure | null): Promise<void> {
    let following = next(failure)
    if (failure === null && !(await readable(this.file))) {
      following = { kind: 'failed', verdict: null, detail: 'The file cannot be read any more. Choose it again.' }
    }
    if (following.kind === 'anew') following = await this.#why()
    if (following.kind === 'smaller') {
      const { detail } = following
      following = this.#chunk > SMALL_CHUNK ? { kind: 'again', after: 0 } : { kind: 'failed', verdict: null, detail }
      passing = SMALL_CHUNK
    }
    this.#follow(following)
  }

  /** An upload is gone: because of what it was, which the end of its bytes tells, or because its time was over. */
  async #why(): Promise<Next> {
    try {
      await this.api.outcome(this.url ?? '', this.source.size)
    } catch (error) {
      const told = next(error instanceof Refused ? error.failure : null)
      if (told.kind !== 'anew') return told
    }
    this.#forgetUrl()
    return { kind: 'again', after: null }
  }

  #forgetUrl(): void {
    forget(this.#user, this.source)
    this.url = null
    this.sent = this.#safe = 0
  }

  #follow(following: Next): void {
    if (!RUNNING.has(this.state)) return // it was paused or cancelled meanwhile
    this.speed.forget()
    switch (following.kind) {
      case 'again':
        this.#timer = setTimeout(() => this.start(), 1000 * (following.after ?? pause(this.#attempts)))
        this.#attempts += 1
        this.#to('interrupted')
        return
      case 'sign-in':
        this.api.expired()
        this.#to('signed out')
        return
      case 'ask':
        this.#forgetUrl()
        this.taken = following.path
        this.#to('asking')
        return
      case 'failed':
        this.verdict = following.verdict
        this.detail = following.detail
        this.#safe = 0
        this.#over('failed')
        return
      case 'anew':
      case 'smaller':
        throw new Error('decided before')
    }
  }
}

function failureOf(error: DetailedError, begun: boolean): Failure | null {
  const reply = error.originalResponse
  if (!reply) return null
  const retryAfter = reply.getHeader('Retry-After') ?? null
  return { status: reply.getStatus(), retryAfter, problem: problemIn(reply.getBody()), begun }
}

/** A file that was changed or removed since it was chosen is not. */
async function readable(file: File | null): Promise<boolean> {
  try {
    await file?.slice(0, 1).arrayBuffer()
    return true
  } catch {
    return false
  }
}
