"""What both sides of a settlement on IOTA share: wallets, the escrow, payments, anchors, a node.

Only ``node`` talks to a network. ``iota_sdk`` is loaded where it is first needed (``sdk.load``).
"""
