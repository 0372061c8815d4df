"""HID devices and hid_bpf_ops."""

DECLARATIONS = """
enum hid_class_request {
	HID_REQ_GET_REPORT = 1, HID_REQ_GET_IDLE = 2, HID_REQ_GET_PROTOCOL = 3,
	HID_REQ_SET_REPORT = 9, HID_REQ_SET_IDLE = 10, HID_REQ_SET_PROTOCOL = 11,
};
enum hid_type { HID_TYPE_OTHER, HID_TYPE_USBMOUSE, HID_TYPE_USBNONE };
enum hid_bpf_attach_flags { HID_BPF_FLAG_NONE = 0, HID_BPF_FLAG_INSERT_HEAD = 1, HID_BPF_FLAG_MAX = 2 };

struct hid_bpf_ctx {
	struct hid_device *hid;
	__u32 allocated_size;
	union { __s32 retval, size; };
};
struct hid_bpf_ops {
	int hid_id;
	u32 flags;
	struct list_head list;
	int (*hid_device_event)(struct hid_bpf_ctx *ctx, enum hid_report_type report_type, u64 source);
	int (*hid_rdesc_fixup)(struct hid_bpf_ctx *ctx);
	int (*hid_hw_request)(struct hid_bpf_ctx *ctx, unsigned char reportnum, enum hid_report_type rtype,
					enum hid_class_request reqtype, u64 source);
	int (*hid_hw_output_report)(struct hid_bpf_ctx *ctx, u64 source);
	struct hid_device *hdev;
};
struct bpf_struct_ops_hid_bpf_ops {
	struct bpf_struct_ops_common_value common;
	struct hid_bpf_ops data __attribute__((aligned(64)));
};
struct hid_bpf {
	u8 *device_data;
	u32 allocated_data;
	bool destroyed;
	struct hid_bpf_ops *rdesc_ops;
	struct list_head prog_list;
};
struct hid_device {
	const __u8 *dev_rdesc;
	unsigned int dev_rsize;
	const __u8 *bpf_rdesc, *rdesc;
	unsigned int bpf_rsize, rsize;
	__u16 bus, group;
	__u32 vendor, product, version;
	enum hid_type type;
	unsigned int country;
	struct device dev;
	unsigned long status;
	unsigned int claimed, quirks;
	char name[128], phys[64], uniq[64];
	unsigned int id;
	struct hid_bpf bpf;
};
"""
