"""What nobody would send: docs/fuzz.md tells the targets, their promises and how to look for more."""
