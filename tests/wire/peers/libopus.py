#!/usr/bin/env python3
"""libopus, the reference implementation of Opus, from the command line.

  libopus.py encode RATE CHANNELS voip|audio|lowdelay BITS_PER_SECOND MILLISECONDS [dtx] < SAMPLES > PACKETS
  libopus.py decode RATE < PACKETS > SAMPLES

Samples are 16 bits, little-endian, interleaved; decoded to one channel. A packet is its length (16 bits, little-endian) and
its octets; a length of 0 is a packet that was lost, as long as the one before it.
"""

import ctypes
import struct
import sys

try:
    OPUS = ctypes.CDLL("libopus.so.0")
except OSError:
    # It is not installed: another thing than failing.
    sys.exit(3)
OPUS.opus_encoder_create.restype = ctypes.c_void_p
OPUS.opus_decoder_create.restype = ctypes.c_void_p
APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
SET_BITRATE, SET_DTX = 4002, 4016
LONGEST = 1920 * 3


def fault(code):
    OPUS.opus_strerror.restype = ctypes.c_char_p
    sys.exit(f"libopus: {OPUS.opus_strerror(code).decode()}")


def encode(rate, channels, application, bits, milliseconds, dtx):
    error = ctypes.c_int()
    encoder = ctypes.c_void_p(
        OPUS.opus_encoder_create(rate, channels, APPLICATIONS[application], ctypes.byref(error))
    )
    if error.value:
        fault(error.value)
    for request, value in ((SET_BITRATE, bits), (SET_DTX, int(dtx))):
        OPUS.opus_encoder_ctl(encoder, request, ctypes.c_int(value))
    samples = sys.stdin.buffer.read()
    count = rate * milliseconds // 1000
    size = count * channels * 2
    packet = ctypes.create_string_buffer(4000)
    for at in range(0, len(samples) - size + 1, size):
        octets = OPUS.opus_encode(encoder, samples[at : at + size], count, packet, len(packet))
        if octets < 0:
            fault(octets)
        sys.stdout.buffer.write(struct.pack("<H", octets) + packet.raw[:octets])


def decode(rate):
    error = ctypes.c_int()
    decoder = ctypes.c_void_p(OPUS.opus_decoder_create(rate, 1, ctypes.byref(error)))
    if error.value:
        fault(error.value)
    packets = sys.stdin.buffer.read()
    at, last = 0, 0
    room = ctypes.create_string_buffer(LONGEST * 2)
    while at < len(packets):
        (octets,) = struct.unpack_from("<H", packets, at)
        packet = packets[at + 2 : at + 2 + octets]
        at += 2 + octets
        if octets:
            last = OPUS.opus_decode(decoder, packet, octets, room, LONGEST, 0)
        else:
            last = OPUS.opus_decode(decoder, None, 0, room, last, 0)
        if last < 0:
            fault(last)
        sys.stdout.buffer.write(room.raw[: last * 2])


def main(arguments):
    match arguments:
        case ["encode", rate, channels, application, bits, milliseconds, *dtx]:
            encode(int(rate), int(channels), application, int(bits), int(milliseconds), dtx == ["dtx"])
        case ["decode", rate]:
            decode(int(rate))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
