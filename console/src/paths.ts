// From where a file lies in a chosen folder to what the store calls it. An asset has no folder: its path is its type and its name.
// So the folders become part of the name, or two photographs of one name in two folders would be versions of each other; and a label
// keeps the folder as it was.

export const BETWEEN = '--'
const LONGEST_LABEL = 256

/** The parts of `path`, without empty ones and dots. */
export function parts(path: string): string[] {
  return path.split(/[/\\]/).map((part) => part.trim()).filter((part) => part !== '' && part !== '.' && part !== '..')
}

/** `folder`, as a person typed it, and where a file lies within what was chosen. */
export function within(folder: string, path: string): string {
  return [...parts(folder), ...parts(path)].join('/')
}

/** The file's name in the store: "trip/day 1/a.jpg" is "trip--day 1--a.jpg". */
export function nameOf(path: string): string {
  return parts(path).join(BETWEEN)
}

/** The label that says in which folder it was; none for a file that was in none, or where it would be too long. */
export function labelsOf(path: string): Record<string, string> {
  const folder = parts(path).slice(0, -1).join('/')
  return folder !== '' && folder.length <= LONGEST_LABEL ? { folder } : {}
}
