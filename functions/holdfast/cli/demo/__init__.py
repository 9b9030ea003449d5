"""``demo``: the main job, done over HTTP on real files by an embedded server of its own, and told step by step."""
