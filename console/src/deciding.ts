// What a failed request means for its upload. Pure.

export type Next =
  | { kind: 'again'; after: number | null } // what is safe is asked, and the rest sent; after so many seconds, if the server says so
  | { kind: 'sign-in' }
  | { kind: 'ask'; path: string } // the name is there: a new version of it?
  | { kind: 'anew' } // the server no longer knows the upload
  | { kind: 'smaller'; detail: string } // something in front of the server passes no request that large
  | { kind: 'failed'; verdict: Verdict | null; detail: string }

export type Verdict = 'infected' | 'not scannable'

/** A reply: `problem` is its body (RFC 9457), as far as it has one; `begun`: whether the upload had an address. */
export interface Failure {
  status: number
  retryAfter: string | null
  problem: { type?: unknown; detail?: unknown; asset_path?: unknown }
  begun: boolean
}

const VERDICTS: Record<string, Verdict> = { infected: 'infected', 'not-scannable': 'not scannable' }

/** `null`: no reply came. */
export function next(failure: Failure | null): Next {
  if (failure === null) return { kind: 'again', after: null }
  const { status, problem, begun } = failure
  const slug = String(problem.type ?? '').split('/').pop() ?? ''
  const detail = typeof problem.detail === 'string' ? problem.detail : `The server answered ${status}.`
  if (status === 401) return { kind: 'sign-in' }
  if (status === 412 && slug === 'precondition-failed') return { kind: 'ask', path: String(problem.asset_path ?? '') }
  if (status === 413 && slug === '') return { kind: 'smaller', detail: 'Something in front of the server takes no request that large.' }
  if (begun && (status === 404 || status === 410)) return { kind: 'anew' }
  const passing = status >= 500 || [408, 423, 429, 460].includes(status) || slug === 'incomplete-body'
  if (passing || (status === 409 && slug !== 'name-collision')) {
    const after = Number(failure.retryAfter ?? Number.NaN)
    return { kind: 'again', after: Number.isFinite(after) ? after : null }
  }
  return { kind: 'failed', verdict: VERDICTS[slug] ?? null, detail }
}

/** Seconds until the next attempt, after so many that brought nothing. */
export function pause(attempts: number): number {
  return Math.min(30, 2 ** attempts)
}
