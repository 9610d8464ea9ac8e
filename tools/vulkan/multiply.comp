#version 450
// SPDX-License-Identifier: LGPL-2.1 OR MIT
// Of the example matrix: sum += A * B, all of them square, by rows. Each invocation has one number of the sum.

layout(local_size_x = 8, local_size_y = 8) in;

layout(push_constant) uniform size_of { uint size; };

layout(std430, set = 0, binding = 0) readonly buffer matrix_a { float a[]; };
layout(std430, set = 0, binding = 1) readonly buffer matrix_b { float b[]; };
layout(std430, set = 0, binding = 2) buffer matrix_sum { float sum[]; };

void main()
{
	uint row = gl_GlobalInvocationID.y, column = gl_GlobalInvocationID.x;
	float s = 0;

	if (row >= size || column >= size)
		return;
	for (uint k = 0; k < size; k++)
		s += a[row * size + k] * b[k * size + column];
	sum[row * size + column] += s;
}
