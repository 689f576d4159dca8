#!/usr/bin/env python3
"""Makes the seeds in corpus/: small files of every form, valid ones and ones that are wrong in one place."""

import gzip
import io
import json
import os
import pickle
import shutil
import struct
import zipfile

import numpy

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(folder, name, content):
    with open(os.path.join(HERE, folder, name), "wb") as file:
        file.write(content)


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def make_safetensors():
    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    put("safetensors", "empty", safetensors({}))
    put("safetensors", "metadata", safetensors({"__metadata__": {"format": "pt", "a": "\u00e9\n"}}))
    sizes = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4,
             "I64": 8, "U64": 8, "BOOL": 1}
    header, at = {}, 0
    for dtype, size in sizes.items():
        header[dtype] = entry(dtype, [2, 1], at, at + 2 * size)
        at += 2 * size
    put("safetensors", "every_dtype", safetensors(header, bytes(at)))
    put("safetensors", "scalar", safetensors({"s": entry("F32", [], 0, 4)}, b"\0\0\x80?"))
    put("safetensors", "no_elements", safetensors({"a": entry("F32", [0, 2**40], 0, 0)}))
    put("safetensors", "large_claim", safetensors({"a": entry("F32", [2**40], 0, 2**42)}, b"1234"))
    put("safetensors", "overflow", safetensors({"a": entry("F64", [2**62, 8], 0, 0)}))
    put("safetensors", "overlap", safetensors({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)))
    put("safetensors", "gap", safetensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 4, 6)}, bytes(6)))
    put("safetensors", "long_header", safetensors({}, length=2**63))
    put("safetensors", "deep", safetensors(b"[" * 500))
    put("safetensors", "bool_2", safetensors({"a": entry("BOOL", [1], 0, 1)}, b"\2"))
    put("safetensors", "u64_max", safetensors({"a": entry("U64", [1], 0, 8)}, b"\xff" * 8))


def make_numpy():
    arrays = {
        "f2": numpy.array([1.5], "f2"), "f4": numpy.ones((2, 2), "f4"), "i1": numpy.array([-1], "i1"),
        "u8": numpy.array(7, "u8"), "b": numpy.array([True]), "fortran": numpy.asfortranarray(numpy.eye(2)),
        "empty": numpy.zeros((0, 3))}
    for name, save in {"stored": numpy.savez, "deflated": numpy.savez_compressed}.items():
        out = io.BytesIO()
        save(out, **arrays)
        put("npz", name, out.getvalue())
    for name, array in arrays.items():
        out = io.BytesIO()
        numpy.save(out, array)
        put("npy", name, out.getvalue())

    def archive(entries):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in entries:
                file.writestr(name, content)
        return out.getvalue()

    def npy(header, data=b"", version=b"\1\0"):
        length = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
        return b"\x93NUMPY" + version + length + header + data

    plain = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"
    put("npy", "version_2", npy(plain, b"12", b"\2\0"))
    put("npy", "large_claim", npy(plain.replace(b"(2,)", b"(1099511627776,)"), b"12"))
    put("npy", "big_endian", npy(plain.replace(b"|u1", b">i2"), b"1234"))
    put("npz", "empty", archive([]))
    put("npz", "version_2", archive([("a.npy", npy(plain, b"12", b"\2\0"))]))
    put("npz", "large_claim", archive([("a.npy", npy(plain.replace(b"(2,)", b"(1099511627776,)"), b"12"))]))
    put("npz", "records", archive([("a.npy", npy(plain.replace(b"'|u1'", b"[('x', '<f4')]"), b"1234"))]))
    put("npz", "big_endian", archive([("a.npy", npy(plain.replace(b"|u1", b">i2"), b"1234"))]))
    put("npz", "zeros", archive([("a.npy", npy(plain.replace(b"2,", b"100000,"), bytes(100000)))]))
    put("npz", "text", archive([("readme.txt", b"hello")]))
    put("npz", "folder", archive([("folder/", b"")]))


def make_idx():
    def idx(kind, sizes, data=b""):
        return bytes([0, 0, kind, len(sizes)]) + b"".join(struct.pack(">I", size) for size in sizes) + data

    put("idx", "labels", idx(8, [3], b"\0\1\2"))
    put("idx", "images", idx(8, [2, 2, 2], bytes(range(8))))
    put("idx", "rank_4", idx(8, [1, 2, 1, 2], b"1234"))
    put("idx", "gzip", gzip.compress(idx(8, [2, 3], b"123456"), mtime=0))
    put("idx", "gzip_zeros", gzip.compress(idx(8, [100000], bytes(100000)), mtime=0))
    put("idx", "none", idx(8, [0, 5]))
    put("idx", "large_claim", idx(8, [2**32 - 1] * 4, b"12"))
    put("idx", "floats", idx(13, [1], b"\0\0\0\0"))
    put("idx", "rank_255", bytes([0, 0, 8, 255]))
    put("idx", "too_long", idx(8, [1], b"12"))
    put("idx", "gzip_cut", gzip.compress(idx(8, [6], b"123456"), mtime=0)[:-6])


def tensor(kind, elements, offset, sizes, strides):
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value

    def numbers(values):
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    storage = (b"(" + text(b"storage") + b"ctorch\n" + kind + b"\n" + text(b"0") + text(b"cpu") + b"J" +
               struct.pack("<i", elements) + b"tQ")
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"J" + struct.pack("<i", offset) + numbers(sizes) +
            numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR")


def make_torch():
    plain = {"a": [1, -2, 2**40, 0.5], "b": ("x", None, True), 3: {"c": {}}}
    pickles = {
        "plain": pickle.dumps(plain, 2), "plain_4": pickle.dumps(plain, 4),
        "tensor": b"\x80\2" + tensor(b"FloatStorage", 4, 0, [2, 2], [2, 1]) + b".",
        "view": b"\x80\2}X\1\0\0\0w" + tensor(b"ByteStorage", 16, 1, [3, 2], [1, 4]) + b"s.",
        "parameter": b"\x80\2ctorch._utils\n_rebuild_parameter\n" + tensor(b"HalfStorage", 8, 0, [8], [1]) +
                     b"\x88}\x87R.",
        "expanded": b"\x80\2" + tensor(b"LongStorage", 2, 0, [2**30], [0]) + b".",
        "system": b"\x80\2cos\nsystem\nX\2\0\0\0ls\x85R.",
        "lists": b"\x80\2]" + b"".join(b"q%c0](h%ch%ce" % (i, i, i) for i in range(40)) + b".",
        "itself": b"\x80\2]q\1h\1a."}
    for name, content in pickles.items():
        put("pickle", name, content)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            for entry, part in (("x/data.pkl", content), ("x/data/0", bytes(16)), ("x/version", b"3\n")):
                file.writestr(zipfile.ZipInfo(entry), part)
        put("torch", name, out.getvalue())


def make_csv():
    put("csv", "numbers", b"a,b\n1,2.5\n-3,1e9\n")
    put("csv", "quotes", b'"a","b ""c"""\r\n"1",2\r\n')
    put("csv", "empty_fields", b"a,b\n,2\n\n3,\n")
    put("csv", "ragged", b"a,b\n1\n")
    put("csv", "open_quote", b'a\n"1\n')
    put("csv", "byte_order_mark", b"\xef\xbb\xbfa\n1\n")


def make_images():
    fixtures = os.path.join(HERE, "..", "..", "fixtures", "images")
    for name in ["rgb.png", "rgba.png", "palette.png", "bits.png", "deep.png", "rgb.jpg", "progressive.jpg", "gray.jpg"]:
        shutil.copy(os.path.join(fixtures, name), os.path.join(HERE, "image", name))


make_safetensors()
make_numpy()
make_torch()
make_idx()
make_csv()
make_images()
