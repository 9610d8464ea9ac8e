/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM netgpu

#if !defined(_NETGPU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _NETGPU_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

#include "internal.h"

TRACE_DEFINE_ENUM(NETGPU_PLACEMENT_UNKNOWN);
TRACE_DEFINE_ENUM(NETGPU_PLACEMENT_HOST);
TRACE_DEFINE_ENUM(NETGPU_PLACEMENT_DEVICE);
TRACE_DEFINE_ENUM(NETGPU_COPY_HEADER);
TRACE_DEFINE_ENUM(NETGPU_COPY_PAGE);
TRACE_DEFINE_ENUM(NETGPU_COPY_OTHER_QUEUE);

#define netgpu_show_placement(placement)			\
	__print_symbolic(placement,				\
			 { NETGPU_PLACEMENT_UNKNOWN, "unknown" }, \
			 { NETGPU_PLACEMENT_HOST, "host" },	\
			 { NETGPU_PLACEMENT_DEVICE, "device" })

#define netgpu_show_cause(cause)				\
	__print_symbolic(cause,					\
			 { NETGPU_COPY_HEADER, "header" },	\
			 { NETGPU_COPY_PAGE, "page" },		\
			 { NETGPU_COPY_OTHER_QUEUE, "other-queue" })

TRACE_EVENT(netgpu_attach,
	TP_PROTO(const struct netgpu_attachment *attachment),
	TP_ARGS(attachment),
	TP_STRUCT__entry(
		__string(dev, dev_name(attachment->dev))
		__string(exporter, attachment->dmabuf->exp_name)
		__field(u64, size)
		__field(bool, peer2peer)
	),
	TP_fast_assign(
		__assign_str(dev);
		__assign_str(exporter);
		__entry->size = attachment->dmabuf->size;
		__entry->peer2peer = attachment->attach->peer2peer;
	),
	TP_printk("dev=%s exporter=%s size=%llu peer2peer=%d",
		  __get_str(dev), __get_str(exporter), __entry->size,
		  __entry->peer2peer)
);

DECLARE_EVENT_CLASS(netgpu_region,
	TP_PROTO(const struct netgpu_region *region),
	TP_ARGS(region),
	TP_STRUCT__entry(
		__string(dev, dev_name(region->dev))
		__field(const void *, region)
		__field(u64, offset)
		__field(u64, length)
		__field(u32, placement)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->region = region;
		__entry->offset = region->offset;
		__entry->length = region->length;
		__entry->placement = region->placement;
	),
	TP_printk("region=%p dev=%s offset=%llu length=%llu placement=%s",
		  __entry->region, __get_str(dev), __entry->offset,
		  __entry->length, netgpu_show_placement(__entry->placement))
);

DEFINE_EVENT(netgpu_region, netgpu_bind,
	TP_PROTO(const struct netgpu_region *region),
	TP_ARGS(region)
);

DEFINE_EVENT(netgpu_region, netgpu_unbind,
	TP_PROTO(const struct netgpu_region *region),
	TP_ARGS(region)
);

TRACE_EVENT(netgpu_revoke,
	TP_PROTO(const struct netgpu_region *region, bool bound),
	TP_ARGS(region, bound),
	TP_STRUCT__entry(
		__string(dev, dev_name(region->dev))
		__field(const void *, region)
		__field(bool, bound)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->region = region;
		__entry->bound = bound;
	),
	TP_printk("region=%p dev=%s bound=%d", __entry->region,
		  __get_str(dev), __entry->bound)
);

TRACE_EVENT(netgpu_copy,
	TP_PROTO(const struct netgpu_region *region, u64 offset, u64 length,
		 u32 cause, int error),
	TP_ARGS(region, offset, length, cause, error),
	TP_STRUCT__entry(
		__field(const void *, region)
		__field(u64, offset)
		__field(u64, length)
		__field(u32, cause)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->offset = offset;
		__entry->length = length;
		__entry->cause = cause;
		__entry->error = error;
	),
	TP_printk("region=%p offset=%llu length=%llu cause=%s error=%d",
		  __entry->region, __entry->offset, __entry->length,
		  netgpu_show_cause(__entry->cause), __entry->error)
);

#endif /* _NETGPU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../net/netgpu
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
