// The rest of the HTTP interface, as far as the page needs it.
//
// The token is kept in this object and nowhere else: no reload, other page or later user of the machine finds it, and it is in no
// address. The price is signing in again after a reload. The API renews no token without the password.

import type { Failure } from './deciding.js'

const ROOT = new URL('..', location.href)
const TUS = { 'Tus-Resumable': '1.0.0' }

export const ENDPOINT = new URL('uploads', ROOT).href

export interface Version {
  path: string
  id: string
  scanResult: string
}

export type Found = { kind: 'under way'; sent: number } | { kind: 'done'; version: Version } | { kind: 'gone' }

/** A reply that is no good one. */
export class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(typeof failure.problem.detail === 'string' ? failure.problem.detail : `The server answered ${failure.status}.`)
  }
}

export class Api {
  user = ''
  workspace = ''
  #token = ''

  get signedIn(): boolean {
    return this.#token !== ''
  }

  get authorization(): string {
    return `Bearer ${this.#token}`
  }

  /** Raises Refused, and TypeError when no reply comes. */
  async signIn(username: string, password: string): Promise<void> {
    const body = new URLSearchParams({ username, password })
    const reply = await checked(fetch(new URL('token', ROOT), { method: 'POST', body }))
    const given = (await reply.json()) as { access_token: string; username: string; branch: string }
    this.#token = given.access_token
    this.user = given.username
    this.workspace = given.branch
  }

  /** The token no longer holds. */
  expired(): void {
    this.#token = ''
  }

  /** Ends the token, also on the server, as far as that can be reached. */
  async signOut(): Promise<void> {
    const headers = { Authorization: this.authorization }
    this.#token = ''
    this.user = ''
    await fetch(new URL('token/revoke', ROOT), { method: 'POST', headers }).catch(() => undefined)
  }

  /** How far an upload is. Raises as `signIn`. */
  async look(url: string): Promise<Found> {
    const reply = await this.#asked(url, { method: 'HEAD', headers: TUS })
    if (reply.status === 404 || reply.status === 410) return { kind: 'gone' }
    if (!reply.ok) throw await refused(reply, true)
    const version = versionIn((name) => reply.headers.get(name))
    return version === null ? { kind: 'under way', sent: Number(reply.headers.get('Upload-Offset')) } : { kind: 'done', version }
  }

  /** What an upload has become all of whose bytes are there; null while that is not known. Raises as `signIn`. */
  async outcome(url: string, size: number): Promise<Version | null> {
    const headers = { ...TUS, 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(size) }
    const reply = await this.#asked(url, { method: 'PATCH', headers })
    if (!reply.ok) throw await refused(reply, true)
    return versionIn((name) => reply.headers.get(name))
  }

  /** Raises as `signIn`; what is gone already is no error. */
  async cancel(url: string): Promise<void> {
    const reply = await this.#asked(url, { method: 'DELETE', headers: TUS })
    if (!reply.ok && reply.status !== 404 && reply.status !== 410) throw await refused(reply, true)
  }

  /** A link to the primary file of a version, which needs no token and holds for some minutes. Raises as `signIn`. */
  async link({ path, id }: Version): Promise<string> {
    const address = new URL(`filedownload/${path.split('/').map(encodeURIComponent).join('/')}/${id}`, ROOT)
    const reply = await this.#asked(address, {})
    if (!reply.ok) throw await refused(reply, false)
    return ((await reply.json()) as { primary_file: { url: string } }).primary_file.url
  }

  #asked(url: string | URL, { headers, ...rest }: RequestInit): Promise<Response> {
    return fetch(url, { ...rest, headers: { ...(headers as Record<string, string>), Authorization: this.authorization } })
  }
}

/** The address of an upload as it is reached from here: the server may think that it has another name. */
export function here(url: string): string {
  return `${ENDPOINT}/${url.split('/').pop()}`
}

export function versionIn(header: (name: string) => string | null | undefined): Version | null {
  const [path, id] = [header('Holdfast-Asset-Path'), header('Holdfast-Version-Id')]
  return path && id ? { path: decodeURIComponent(path), id, scanResult: header('Holdfast-Scan-Result') ?? '' } : null
}

export function problemIn(body: string): Failure['problem'] {
  try {
    return (JSON.parse(body) as Failure['problem'] | null) ?? {}
  } catch {
    return {} // a proxy's page
  }
}

async function checked(asked: Promise<Response>): Promise<Response> {
  const reply = await asked
  if (!reply.ok) throw await refused(reply, false)
  return reply
}

async function refused(reply: Response, begun: boolean): Promise<Refused> {
  const problem = problemIn(await reply.text())
  return new Refused({ status: reply.status, retryAfter: reply.headers.get('Retry-After'), problem, begun })
}
