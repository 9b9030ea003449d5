"""The operator on a real API server, whose controllers run and whose pods never start: what a kubelet would write, they write."""
