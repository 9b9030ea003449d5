// The files that a person chose, or dropped, with where they lie in what was chosen.

export interface Chosen {
  file: File
  path: string
}

export function fromInput(input: HTMLInputElement): Chosen[] {
  return Array.from(input.files ?? [], (file) => ({ file, path: file.webkitRelativePath || file.name }))
}

/** To be called while the event is handled: afterwards the browser forgets what was dropped. */
export async function fromDrop(data: DataTransfer): Promise<Chosen[]> {
  const entries: FileSystemEntry[] = []
  const files: File[] = []
  for (const item of data.items) {
    if (item.kind !== 'file') continue
    const entry = item.webkitGetAsEntry()
    const file = entry === null ? item.getAsFile() : null
    if (entry !== null) entries.push(entry)
    if (file !== null) files.push(file)
  }
  const found = await Promise.all(entries.map((entry) => beneath(entry, '')))
  return [...found.flat(), ...files.map((file) => ({ file, path: file.name }))]
}

async function beneath(entry: FileSystemEntry, folder: string): Promise<Chosen[]> {
  const path = folder + entry.name
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ file, path }]
  }
  const found: Chosen[] = []
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return found // it gives a hundred at a time
    for (const one of some) found.push(...(await beneath(one, `${path}/`)))
  }
}
