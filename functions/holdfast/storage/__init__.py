"""Where bytes and versions live: two ports, each with adapters that pass the same contract tests.

``objects``  bytes by key: ``folder`` (embedded) and ``s3`` (SeaweedFS).
``versions`` commits on a branch per workspace: ``sql`` (rows of our database) and ``lakefs``.
"""
