"""Assets, their versions and the files of these: brought in, read, and led through active, archived and destroyed."""
