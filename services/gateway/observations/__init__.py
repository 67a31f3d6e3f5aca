"""What the gateway reads of a searched observation: its header, its samples, and the pyramid of its waterfall."""
