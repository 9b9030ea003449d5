"""Assets and their versions: names, the write path, reading, and the way from active over archived to destroyed."""
