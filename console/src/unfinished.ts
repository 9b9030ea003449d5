// What this browser knows of uploads that have begun: where they go on, by user and file. A reload loses everything else.

export interface Known {
  path: string
  size: number
  modified: number
  url: string
}

const PREFIX = 'holdfast-upload '

function key(user: string, { path, size, modified }: Omit<Known, 'url'>): string {
  return PREFIX + JSON.stringify([user, path, size, modified])
}

/** Where storage is forbidden or full, an upload goes on without: it then begins anew after a reload. */
export function remember(user: string, known: Known): void {
  try {
    localStorage.setItem(key(user, known), known.url)
  } catch {}
}

export function forget(user: string, known: Omit<Known, 'url'>): void {
  try {
    localStorage.removeItem(key(user, known))
  } catch {}
}

export function all(user: string): Known[] {
  try {
    return Object.keys(localStorage).flatMap((name) => {
      if (!name.startsWith(PREFIX)) return []
      const [of, path, size, modified] = JSON.parse(name.slice(PREFIX.length)) as [string, string, number, number]
      return of === user ? [{ path, size, modified, url: localStorage.getItem(name) ?? '' }] : []
    })
  } catch {
    return []
  }
}
