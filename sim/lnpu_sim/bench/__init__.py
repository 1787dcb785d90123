"""Real layers through the whole machine: cycles, slots, bytes, against dense fp16 on the same machine."""
