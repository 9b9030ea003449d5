"""Reconciles AssetPolicies into CronJobs. Knows of Holdfast no more than what a policy says (``holdfast.policies``).

``main`` has kopf's decorators, ``reconciling`` carries out, and what is decided is pure: ``accepting``, ``cronjobs``,
``jobs``, ``bundle``, ``reports``, ``status``.
"""
