#version 450
// SPDX-License-Identifier: LGPL-2.1 OR MIT
// Copies the bytes of pieces. One workgroup has a part of a piece (x), or, of large ones, every gl_NumWorkGroups.y-th block of it.
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_8bit_storage : require

layout(local_size_x = 64) in;

struct piece {
	uint from, to, bytes, part, stride, resv0, resv1, resv2;
};

layout(std430, set = 0, binding = 0) readonly buffer pieces { piece piece_of[]; };
layout(std430, set = 0, binding = 1) readonly buffer source_bytes { uint8_t from_byte[]; };
layout(std430, set = 0, binding = 1) readonly buffer source_words { uint from_word[]; };
layout(std430, set = 0, binding = 2) writeonly buffer target_bytes { uint8_t to_byte[]; };
layout(std430, set = 0, binding = 2) writeonly buffer target_words { uint to_word[]; };

const uint BLOCK = 4096;	// bytes of a turn

void copy(uint from, uint to, uint length)
{
	uint head = min((4 - (to & 3)) & 3, length);
	uint lane = gl_LocalInvocationID.x;

	if (((from ^ to) & 3) != 0) {	// words would not be words on both sides
		for (uint i = lane; i < length; i += 64)
			to_byte[to + i] = from_byte[from + i];
		return;
	}
	if (lane < head)
		to_byte[to + lane] = from_byte[from + lane];
	uint words = (length - head) / 4;
	for (uint i = lane; i < words; i += 64)
		to_word[(to + head) / 4 + i] = from_word[(from + head) / 4 + i];
	uint tail = head + words * 4;
	if (tail + lane < length)
		to_byte[to + tail + lane] = from_byte[from + tail + lane];
}

void main()
{
	piece p = piece_of[gl_WorkGroupID.x];
	uint parts = p.bytes == 0 ? 0 : (p.bytes - 1) / p.part + 1;
	uint blocks = (p.part - 1) / BLOCK + 1;
	uint turns = parts * blocks;

	for (uint turn = gl_WorkGroupID.y; turn < turns; turn += gl_NumWorkGroups.y) {
		uint at = turn / blocks, block = turn % blocks * BLOCK;
		uint end = min(p.part, p.bytes - at * p.part);

		if (block < end)
			copy(p.from + at * p.stride + block, p.to + at * p.part + block, min(BLOCK, end - block));
		if (turns - turn <= gl_NumWorkGroups.y)	// the next may be beyond what a number holds
			break;
	}
}
