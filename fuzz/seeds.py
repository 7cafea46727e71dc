#!/usr/bin/env python3
"""Writes fuzz/seeds/: a few tiny whole files of each format, for the fuzzer to start from. Standard library only.

    python3 fuzz/seeds.py
"""
import gzip, io, json, pathlib, shutil, struct, tarfile, zipfile, zlib

ROOT = pathlib.Path(__file__).resolve().parent
REPOSITORY = ROOT.parent


def save(target, name, data):
    path = ROOT / "seeds" / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def long(value):
    left, out = (value << 1) ^ (value >> 63), bytearray()
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes(out + bytes([left]))


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return long(len(value)) + value


def raw_deflate(data, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def image(rows=2, columns=2, pixels=(1.0, -2.0, float("nan"), 1e20), cards=()):
    header = ["SIMPLE  =  T", "BITPIX  = -32", "NAXIS   = 2", f"NAXIS1  = {columns}", f"NAXIS2  = {rows}", *cards, "END"]
    data = "".join(card.ljust(80) for card in header).encode().ljust(2880)
    return data + struct.pack(f">{len(pixels)}f", *pixels)


def cutout():
    return gzip.compress(image(), mtime=0)


NULLABLE = ["null", "float"]
CUTOUT = {"type": "record", "name": "cutout", "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]}
SCHEMA = {"type": "record", "name": "alert", "fields": [
    {"name": "schemavsn", "type": "string"}, {"name": "objectId", "type": "string"}, {"name": "candid", "type": "long"},
    {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
        {"name": "jd", "type": "double"}, {"name": "fid", "type": "int"}, {"name": "magpsf", "type": NULLABLE},
        {"name": "isdiffpos", "type": "string"}, {"name": "rb", "type": ["null", "double"]}, {"name": "ok", "type": "boolean"}]}},
    {"name": "prv_candidates", "type": ["null", {"type": "array", "items": {"type": "record", "name": "prv", "fields": [
        {"name": "jd", "type": "double"}, {"name": "magpsf", "type": NULLABLE}]}}]},
    {"name": "cutoutScience", "type": ["null", CUTOUT]}, {"name": "cutoutTemplate", "type": ["null", "cutout"]},
    {"name": "cutoutDifference", "type": ["null", "cutout"]}]}


def record(candid=7):
    candidate = struct.pack("<d", 2459000.5) + long(1) + long(1) + struct.pack("<f", 18.5) + text("t") + long(0) + b"\1"
    earlier = long(1) + long(2) + (struct.pack("<d", 2458999.5) + long(0)) * 2 + long(0)
    return text("4.02") + text("ZTF20abc") + long(candid) + candidate + earlier + (long(1) + text("a.fits.gz") + text(cutout())) * 3


def container(codec="null", schema=SCHEMA, blocks=None):
    pack = {"null": lambda b: b, "deflate": raw_deflate}[codec]
    schema = json.dumps(schema, separators=(",", ":"))
    sync = b"0123456789abcdef"
    out = b"Obj\1" + long(2) + text("avro.codec") + text(codec) + text("avro.schema") + text(schema) + long(0) + sync
    for count, data in blocks if blocks is not None else [(1, record(7)), (2, record(8) + record(9))]:
        out += long(count) + text(pack(data)) + sync
    return out


def avro():
    save("avro", "null", container())
    save("avro", "deflate", container("deflate"))
    save("avro", "long", container(schema="long", blocks=[(3, b"\2\4\6")]))
    odd = {"type": "record", "name": "a", "fields": [
        {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["x", "y"]}}, {"name": "f", "type": {"type": "fixed", "name": "f", "size": 2}},
        {"name": "m", "type": {"type": "map", "values": "int"}}, {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "next", "type": ["null", "a"]}]}
    datum = long(1) + b"ab" + long(1) + text("k") + long(5) + long(0) + text(b"\1\2") + long(0)
    save("avro", "odd", container(schema=odd, blocks=[(1, datum)]))
    for name, schema, datum in [("alert", SCHEMA, record()), ("odd", odd, datum)]:
        schema = json.dumps(schema, separators=(",", ":")).encode()
        save("record", name, struct.pack("<H", len(schema)) + schema + datum)
    save("record", "survey", struct.pack("<H", 0) + text("4.02") + text("estampa") + text("ZTF20abc") + long(7) + bytes(400))


def images():
    save("fits", "plain", image())
    save("fits", "scaled", image(1, 1, (0.5,), ["BSCALE  = 1.0 / none", "BZERO   = 0.0", "COMMENT x"]))
    save("cutout", "gzip", cutout())
    save("cutout", "plain", image())
    named = cutout()
    save("cutout", "named", named[:3] + b"\x08" + named[4:10] + b"a.fits\0" + named[10:])
    save("cutout", "jpeg", b"\xff\xd8\xff\xe0")


def streams():
    words = b"the difference is what the science has and the template has not; " * 4
    noise = bytes(i * i * 31 % 251 for i in range(600))
    for name, data in [("words", words), ("noise", noise), ("zeros", bytes(3000)), ("empty", b"")]:
        for level in [0, 1, 9]:
            save("inflate", f"{name}-{level}", raw_deflate(data, level))
        save("gzip", name, gzip.compress(data, mtime=0))
    fixed = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_FIXED)
    save("inflate", "fixed", fixed.compress(words) + fixed.flush())
    save("gzip", "snappy", b"\x05\x10hello" + struct.pack(">I", zlib.crc32(b"hello")))
    save("gzip", "zstd", bytes.fromhex("28b52ffd0458290000") + b"hello" + bytes.fromhex("a36d9f88"))


def archives():
    def tar(form):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for name, kind, data in [("night", tarfile.DIRTYPE, b""), ("night/1.avro", tarfile.REGTYPE, container(schema="long", blocks=[])),
                                     ("n" * 120, tarfile.REGTYPE, b"x"), ("link", tarfile.SYMTYPE, b""), ("../up", tarfile.REGTYPE, b"y")]:
                member = tarfile.TarInfo(name)
                member.type, member.size, member.linkname = kind, len(data), "1.avro" if kind == tarfile.SYMTYPE else ""
                archive.addfile(member, io.BytesIO(data))
        return out.getvalue()[:-8192]
    save("tar", "gnu", tar(tarfile.GNU_FORMAT))
    save("tar", "pax", tar(tarfile.PAX_FORMAT))
    save("tar", "gz", gzip.compress(tar(tarfile.GNU_FORMAT), mtime=0))


def weights():
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}, "b": {"dtype": "I64", "shape": [], "data_offsets": [8, 16]},
                         "__metadata__": {"format": "pt"}}).encode()
    save("weights", "safetensors", struct.pack("<Q", len(header)) + header + bytes(16))
    (ROOT / "seeds/weights").mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "src/nn/import/data/nested.pth", ROOT / "seeds/weights/nested.pth")
    pickle = (b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu"
              b"K\x04tQK\0K\x02K\x02\x86K\x02K\x01\x86\x89}tRs.")
    save("pickle", "small", pickle)
    with zipfile.ZipFile(REPOSITORY / "src/nn/import/data/plain.pth") as archive:
        save("pickle", "plain", archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl"))))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in [("x/data.pkl", pickle), ("x/data/0", bytes(16)), ("x/byteorder", b"little")]:
            archive.writestr(zipfile.ZipInfo(name), data)
    save("weights", "small.pth", out.getvalue())


def arrays():
    def npy(shape, data, descr="<f4", version=1, order="False"):
        head = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
        start = 10 if version == 1 else 12
        head = head.ljust(128 - start - 1) + b"\n"
        return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(head)) + head + data
    save("npy", "matrix", npy("(2, 3)", bytes(24)))
    save("npy", "row", npy("(2,)", bytes(8), version=2))
    save("npy", "empty", npy("(0, 3)", b""))
    save("npy", "object", npy("(1,)", bytes(8), "|O"))
    save("npy", "fortran", npy("(2, 2)", bytes(16), order="True"))


def classifiers():
    scale = {"mean": [0.5, 1.0], "std": [1.0, 2.0]}
    fitted = {
        "majority": [0.25, 0.75],
        "logistic": {"scale": scale, "weights": [1.0, -1.0, 0.5, 0.25, 0.0, 0.1], "classes": 2, "l2": 1.0, "loss": 0.5, "iterations": 3,
                     "converged": True},
        "knn": {"scale": scale, "points": [1.0, 0.0, 0.0, 1.0], "labels": [0, 1], "classes": 2, "nearness": "cosine", "temperature": 0.07,
                "k": 1},
        "random_forest": {"trees": [{"nodes": [[0, 0.5, 1], [-1, 0.0, 1], [-2, 0.0, 0]], "shares": [0.25, 0.75]}], "classes": 2},
        "gradient_boosting": {"start": [-0.5, -1.0], "rounds": [[[[1, 0.5, 1], [-1, 0.25, 0], [-1, -0.25, 0]]]], "classes": 2},
        "mlp": {"scale": scale, "sizes": {"inputs": 2, "layers": 1, "hidden": 2, "classes": 2}, "epochs": 2, "best": 1,
                "weights": {"hidden1.bias": [0.0, 0.1], "hidden1.weight": [1.0, -1.0, 0.5, 0.5], "logits.bias": [0.0, 0.5],
                            "logits.weight": [1.0, 0.0, -1.0, 0.25]}},
    }
    for name, value in fitted.items():
        save("classifiers", name, json.dumps(value, separators=(",", ":")).encode())


def tables():
    save("csv", "labels", b"candid,label,x\n1,SN,0.5\n2,a,\n-3,\"q,\"\"r\"\"\",1e300\n")
    save("csv", "objects", b"\xef\xbb\xbfobjectId,label\r\nZTF1,SN\r\nZTF2,a\r\n")
    save("csv", "types", b"a,b,c,d\n007,1.5,,x\n+2,NaN,,inf\n")


PIPELINE = """[pipeline]
name = "p"
seed = 3
[stages.alerts]
kind = "simulate"
objects = 20
[stages.stamps]
kind = "preprocess"
crop = 21
inputs = { alerts = "alerts" }
[stages.own]
kind = "command"
run = "true"
inputs = { s = "stamps" }
cpu = 2
"""


def specs():
    save("toml", "pipeline", PIPELINE.encode())
    arms = [
        '[experiment]\npipeline = "pipeline.toml"\nreplicates = 2\nbaseline = "crop=21"\n[axes]\n"stamps.crop" = [21, 31]\n"alerts.seed" = [1, 2]\n',
        '[experiment]\npipeline = "pipeline.toml"\n[set]\n"alerts.objects" = 5\n[zip]\n"stamps.crop" = [21, 31]\n"alerts.seed" = [1, 2]\n'
        '[leave_one_out]\n"stamps.crop" = 21\ngroup = { "alerts.seed" = 2 }\n',
        '[experiment]\npipeline = "pipeline.toml"\nquestion = "q"\n[[arms]]\nname = "a"\nset = { "stamps.crop" = 21 }\n[[arms]]\nname = "b"\n',
    ]
    for number, text in enumerate(arms):
        save("toml", f"experiment-{number}", (PIPELINE + "#####\n" + text).encode())
    save("toml", "include", b'[pipeline]\ninclude = "pipeline.toml"\n#####\n[experiment]\npipeline = "experiment.toml"\n')
    save("toml", "nested", b"a.b.c = [[[{x = [1, 0x1f, 1e5, 1979-05-27]}]]]\n[stages.x.y.z]\nw = '''a\nb'''\n")


if __name__ == "__main__":
    shutil.rmtree(ROOT / "seeds", ignore_errors=True)
    for write in [avro, images, streams, archives, weights, arrays, classifiers, tables, specs]:
        write()
    total = sum(path.stat().st_size for path in (ROOT / "seeds").rglob("*") if path.is_file())
    print(total, "bytes")
