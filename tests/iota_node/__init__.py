"""An in-process IOTA test node; `node.IotaNode` is its front."""
