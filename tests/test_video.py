"""Clips on disk: real files of many kinds, built here, read back and compared with what was put in."""

import copy
import gc
import pickle
import tracemalloc
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import torch

from stablevideo.errors import InputError
from stablevideo.video.container import VideoError
from stablevideo.video.read import read_video
from stablevideo.video.write import write_video
from tests.clips import smooth_picture

NTSC = Fraction(30000, 1001)


def pictures(count, height=48, width=64, seed=0):
    """Smooth moving pictures, each with its number as a brightness step: uint8 [n, H, W, 3]."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for i in range(count):
        wave = np.stack([np.sin(x / 9 + i / 5), np.cos(y / 7 - i / 6), np.sin((x + y) / 11 + i / 4)], axis=-1)
        frames.append(110 + 60 * wave + 12 * (-1) ** (i + seed))
    return np.stack(frames).round().astype(np.uint8)


def chunk(array):
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def psnr(a, b):
    return float(-10 * torch.log10(((a.float() - b.float()) / 255).square().mean()))


def tone(container, codec, seconds, rate=48000):
    """Add a sound track; returns the packets of a 440 Hz tone."""
    stream = container.add_stream(codec, rate=rate, layout="stereo")
    samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
    resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size or 1024)
    frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
    frame.rate, frame.pts = rate, 0
    return stream, [f for piece in (frame, None) for f in resampler.resample(piece)]


def encode(path, frames, codec="libx264", fps=NTSC, pix_fmt="yuv420p", times=None, turn=0, sound=None, **options):
    """Build a file with av alone. `times`: seconds of each frame, for a variable rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if turn:
            stream.set_display_rotation(turn)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        track, samples = tone(container, sound, len(frames) / float(fps) + 1) if sound else (None, [])
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[-1] == 4 else "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for piece in [*samples, None] if sound else []:
            container.mux(track.encode(piece))
    return path


def sound_of(path):
    """(codec, start in seconds, end in seconds, strongest frequency in Hz) of a file's sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        data = np.concatenate([f.to_ndarray()[0] for f in frames])
        spectrum = np.abs(np.fft.rfft(data * np.hanning(len(data))))
        peak = spectrum.argmax() * stream.rate / len(data)
        return (
            stream.codec_context.name,
            frames[0].time,
            frames[-1].time + frames[-1].samples / stream.rate,
            peak,
        )


# --- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "options", "floor"),
    [
        ("a.mp4", "libx264", {}, 33),
        ("a.mov", "libx264", {"g": "7", "bf": "3"}, 33),
        ("a.mkv", "libx264", {"g": "9", "x264-params": "open-gop=1:bframes=3"}, 33),
        ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "10"}, 30),
        (
            "vp8.webm",
            "libvpx",
            {"auto-alt-ref": "1", "lag-in-frames": "10", "g": "12", "deadline": "good"},
            25,
        ),
        ("a.avi", "libx264", {"g": "10"}, 33),
        (
            "xvid.avi",
            "mpeg4",
            {"bf": "2", "g": "6", "q": "3", "flags": "+qscale", "global_quality": "300"},
            30,
        ),
        ("mjpeg.avi", "mjpeg", {"q": "2"}, 26),
    ],
)
def test_every_kind_of_file_in_any_order(tmp_path, name, codec, options, floor):
    source = pictures(40)
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = read_video(encode(tmp_path / name, source, codec, pix_fmt=pix_fmt, **options))
    assert (len(clip), clip.size, clip.fps, clip.has_audio) == (40, (48, 64), NTSC, False)
    straight = torch.cat(list(clip.chunks(7)))
    assert straight.shape == (40, 3, 48, 64)
    assert straight.dtype == torch.uint8
    for i in range(40):
        assert psnr(straight[i], chunk(source[i : i + 1])[0]) > floor, i
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1)).tolist()
    for i in order:
        assert torch.equal(clip.frames([i])[0], straight[i]), i
    mixed = [39, 0, 12, 12, 5, 38]
    assert torch.equal(clip.frames(mixed), straight[mixed])
    assert clip.frames([]).shape == (0, 3, 48, 64)


def test_index_outside_the_clip(tmp_path):
    clip = read_video(encode(tmp_path / "a.mp4", pictures(5)))
    for index in (5, -1):
        with pytest.raises(IndexError, match=r"frame -?\d asked of .*a.mp4, which has frames 0 to 4"):
            clip.frames([0, index])


@pytest.mark.parametrize("fps", [NTSC, Fraction(24000, 1001), Fraction(25), Fraction(2997, 100), Fraction(25, 2)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_rate_is_kept(tmp_path, fps, name):
    clip = read_video(encode(tmp_path / name, pictures(60), fps=fps, preset="ultrafast"))
    assert abs(float(clip.fps / fps) - 1) < (1e-7 if name == "a.mkv" else 1e-12)
    assert len(clip) == 60


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_rotation_is_applied(tmp_path, turn):
    source = pictures(3)
    clip = read_video(encode(tmp_path / "a.mp4", source, turn=turn))
    expected = np.rot90(source, turn // 90, axes=(1, 2))
    assert clip.size == expected.shape[1:3]
    assert psnr(clip.frames([0, 1, 2]), chunk(expected.copy())) > 33


def test_aspect_of_pixels_is_applied(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 9)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pictures(1, 48, 48)[0], format="rgb24")))
        container.mux(stream.encode(None))
    clip = read_video(tmp_path / "a.mp4")
    assert clip.size == (48, 85)
    assert clip.frames([0]).shape == (1, 3, 48, 85)


def test_variable_rate_keeps_time(tmp_path):
    times = [0.0, 0.04, 0.08, 0.5, 0.54, 0.58, 0.62, 1.0, 1.04, 1.08]
    source = np.stack([np.full((32, 32, 3), 20 * (i + 1), np.uint8) for i in range(10)])
    clip = read_video(encode(tmp_path / "a.mkv", source, fps=25, times=times))
    assert clip.fps == 25
    assert abs(len(clip) - 28) <= 1
    shown = clip.frames(range(28)).float().mean(dim=(1, 2, 3)) / 20 - 1
    expected = [max(k for k, t in enumerate(times) if t <= i / 25 + 1e-6) for i in range(28)]
    assert (shown - torch.tensor(expected)).abs().max() < 0.2
    fast = read_video(tmp_path / "a.mkv", fps=50)
    assert (fast.fps, abs(len(fast) - 56) <= 2) == (50, True)
    assert (fast.frames([24, 25]).float().mean(dim=(1, 2, 3)) / 20 - 1).round().tolist() == [2, 3]


def test_gif_with_transparency_lies_on_white(tmp_path):
    frames = np.zeros((4, 24, 32, 4), np.uint8)
    frames[:, :, :16] = (200, 0, 0, 255)
    encode(tmp_path / "a.gif", frames[..., :3], "gif", fps=10, pix_fmt="rgb8")
    clip = read_video(tmp_path / "a.gif")
    assert (len(clip), clip.fps, clip.size) == (4, 10, (24, 32))
    cv2.imwrite(str(tmp_path / "p.png"), frames[0][..., [2, 1, 0, 3]])
    (tmp_path / "folder").mkdir()
    (tmp_path / "p.png").rename(tmp_path / "folder" / "p.png")
    picture = read_video(tmp_path / "folder").frames([0])[0]
    assert picture[:, 5, 5].tolist() == [200, 0, 0]
    assert picture[:, 5, 25].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_folder_in_natural_order(tmp_path, suffix):
    source = pictures(12, 33, 47)
    for i, picture in enumerate(source):
        cv2.imwrite(str(tmp_path / f"f{i}.{suffix}"), picture[..., ::-1])
    (tmp_path / "notes.txt").write_text("not a picture")
    clip = read_video(tmp_path)
    assert (len(clip), clip.size, clip.fps, clip.has_audio) == (12, (33, 47), 24, False)
    assert psnr(clip.frames(range(12)), chunk(source)) > 30
    assert torch.equal(torch.cat(list(clip.chunks(5))), clip.frames(range(12)))
    assert read_video(tmp_path, fps=12.5, limit=3).fps == Fraction(25, 2)
    if suffix == "jpg":  # as exact as the usual JPEG decoder
        usual = cv2.imread(str(tmp_path / "f3.jpg"))[..., ::-1].astype(int)
        assert np.abs(clip.frames([3])[0].permute(1, 2, 0).numpy() - usual).max() <= 12


def test_photo_orientation_is_applied(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    source = pictures(1)[0]
    data = cv2.imencode(".jpg", source[..., ::-1])[1].tobytes()
    tagged = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    (tmp_path / "a.jpg").write_bytes(tagged)
    picture = read_video(tmp_path).frames([0])
    assert psnr(picture, chunk(np.rot90(source, -1)[None].copy())) > 28


def test_limit_and_copies(tmp_path):
    path = encode(tmp_path / "a.mp4", pictures(20), g="5")
    clip = read_video(path, limit=6)
    assert len(clip) == 6
    assert clip == read_video(str(path), limit=6) or clip.path == path
    for twin in (copy.deepcopy(clip), pickle.loads(pickle.dumps(clip))):
        assert torch.equal(twin.frames([5, 1]), clip.frames([5, 1]))


# --- what cannot be read -----------------------------------------------------------------------------


def broken(kind, folder):
    """Write one bad input and return its path."""
    path = folder / f"{kind}.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("hello " * 500)
    elif kind == "playlist":
        encode(folder / "real.mp4", pictures(3))
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{folder}/real.mp4\n#EXT-X-ENDLIST\n")
    elif kind == "concat":
        encode(folder / "real.mp4", pictures(3))
        path.write_text("ffconcat version 1.0\nfile 'real.mp4'\n")
    elif kind == "picture":
        cv2.imwrite(str(folder / "a.png"), pictures(1)[0])
        (folder / "a.png").rename(path)
    elif kind == "sound":
        with av.open(str(path), "w") as container:
            track, pieces = tone(container, "aac", 1)
            for piece in [*pieces, None]:
                container.mux(track.encode(piece))
    elif kind == "no-frames":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            container.start_encoding()
    elif kind == "huge":
        path = encode(folder / "huge.avi", np.zeros((1, 16, 8200, 3), np.uint8), "mjpeg", pix_fmt="yuvj420p")
    elif kind.startswith("cut"):
        path = folder / f"cut{kind[3:]}"
        frames = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), dtype=np.uint8)
        if path.suffix == ".mp4":
            write_video([chunk(frames)], path, 25)
        else:
            encode(path, frames, "libvpx" if path.suffix == ".webm" else "libx264", fps=25)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "empty.mp4 is empty"),
        ("text", "text.mp4 is not a video that can be read: expected"),
        ("playlist", "playlist.mp4 is not a video that can be read"),
        ("concat", "concat.mp4 is not a video that can be read"),
        ("picture", "picture.mp4 is not a video that can be read"),
        ("sound", "sound.mp4 holds no video stream"),
        ("no-frames", "no-frames.mp4 "),
        ("huge", "huge.avi is 8200x16 pixels; at most 8192"),
        ("cut.mp4", "cut.mp4 is cut short: it announces 2.0 s and holds 1"),
        ("cut.mkv", "cut.mkv is cut short"),
        ("cut.webm", "cut.webm is cut short"),
        ("cut.avi", "cut.avi is cut short"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, kind, message):
    with pytest.raises(VideoError, match=message):
        read_video(broken(kind, tmp_path))
    assert issubclass(VideoError, InputError)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none.mp4"):
        read_video(tmp_path / "none.mp4")


def test_damage_in_the_middle_names_the_frame(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = encode(tmp_path / "a.mkv", noise, "mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    middle = data.index(b"\xff\xd8", len(data) // 2)
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    clip = read_video(path)
    assert clip.frames([0]).shape[0] == 1
    with pytest.raises(VideoError, match=r"frame \d+ of .*a.mkv cannot be decoded"):
        list(clip.chunks())


def test_bad_folders(tmp_path):
    with pytest.raises(VideoError, match="holds no pictures"):
        read_video(tmp_path)
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), pictures(1, 40, 50 if i < 2 else 52)[0])
    with pytest.raises(VideoError, match=r"0.jpg is 50x40 and .*2.jpg is 52x40"):
        read_video(tmp_path)
    (tmp_path / "2.jpg").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(VideoError, match=r"the picture .*2.jpg is damaged"):
        read_video(tmp_path)
    (tmp_path / "2.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:-400])
    with pytest.raises(VideoError, match=r"the picture .*2.jpg is damaged"):
        read_video(tmp_path).frames([2])


@pytest.mark.parametrize("arguments", [{"fps": 0}, {"fps": -1}, {"fps": float("nan")}, {"limit": 0}])
def test_bad_arguments(tmp_path, arguments):
    with pytest.raises(VideoError, match="must be"):
        read_video(encode(tmp_path / "a.mp4", pictures(2)), **arguments)


# --- writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(48, 64), (64, 36), (45, 63)], ids=["landscape", "portrait", "odd"])
@pytest.mark.parametrize("floats", [False, True])
def test_round_trip(tmp_path, size, floats):
    source = chunk(pictures(20, *size))
    chunks = (part / 255 if floats else part for part in source.split(6))
    write_video(chunks, tmp_path / "a.mp4", NTSC, crf=12)
    clip = read_video(tmp_path / "a.mp4")
    height, width = size
    assert clip.size == (height + height % 2, width + width % 2)
    assert (clip.fps, len(clip)) == (NTSC, 20)
    back = clip.frames(range(20))
    assert psnr(back[..., :height, :width], source) > 37
    if width % 2:
        assert (back[..., -1].float() - back[..., -2].float()).abs().mean() < 3
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert {context.colorspace, context.color_primaries, context.color_trc, context.color_range} == {1}
    head = (tmp_path / "a.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "codec", "sound", "expected"),
    [
        ("a.mp4", "libx264", "aac", "aac"),
        ("a.webm", "libvpx", "libopus", "aac"),
        ("a.mkv", "libx264", "mp3", "mp3float"),
        ("a.avi", "mpeg4", "pcm_s16le", "aac"),
        ("a.mov", "libx264", "ac3", "ac3"),
    ],
)
def test_sound_is_kept_and_cut_to_the_clip(tmp_path, name, codec, sound, expected):
    path = encode(tmp_path / name, pictures(50), codec, fps=25, sound=sound)
    clip = read_video(path)
    assert clip.has_audio
    write_video(clip.chunks(), tmp_path / "out.mp4", clip.fps, audio=path)
    name, start, end, peak = sound_of(tmp_path / "out.mp4")
    assert name == expected
    assert abs(start) < 0.03
    assert abs(end - 2) < 0.06
    assert abs(peak - 440) < 5
    assert len(read_video(tmp_path / "out.mp4")) == 50


def test_clip_without_sound_stays_silent(tmp_path):
    path = encode(tmp_path / "a.mp4", pictures(3))
    write_video([chunk(pictures(3))], tmp_path / "b.mp4", 25, audio=path)
    assert not read_video(tmp_path / "b.mp4").has_audio
    with pytest.raises(FileNotFoundError, match=r"none.wav"):
        write_video([chunk(pictures(3))], tmp_path / "c.mp4", 25, audio=tmp_path / "none.wav")


def test_memory_stays_flat(tmp_path):
    alive, most = set(), 0

    def source():
        nonlocal most
        for i in range(75):
            part = torch.full((4, 3, 96, 128), i, dtype=torch.uint8)
            alive.add(i)
            most = max(most, len(alive))
            yield part
            alive.discard(i)

    tracemalloc.start()
    write_video(source(), tmp_path / "a.mp4", 24, crf=30)
    for part in read_video(tmp_path / "a.mp4").chunks(4):
        assert len(part) == 4
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most <= 2
    assert peak < 4_000_000  # the whole clip is 11 MB


def test_a_decoded_frame_is_given_back_at_once(tmp_path):
    """Not when Python looks for cycles: by then hundreds of frames lie in the decoder's memory."""
    encode(tmp_path / "a.mp4", pictures(40), turn=180)
    video = read_video(tmp_path / "a.mp4")

    def alive():
        return sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()  # readers that other tests left open hold a frame each
        for index in range(40):
            video.frames([index])
        kept = alive() - before
    finally:
        gc.enable()
    assert kept < 8


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "there are no frames to write"),
        ([torch.zeros(0, 3, 8, 8)], "there are no frames to write"),
        ([torch.zeros(3, 8, 8)], r"must be \[n, 3, H, W\], got \[3, 8, 8\]"),
        ([torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 10)], "one size"),
        ([torch.zeros(1, 3, 8, 8, dtype=torch.int64)], "uint8 or floats"),
    ],
)
def test_bad_frames_leave_nothing(tmp_path, frames, message):
    with pytest.raises(VideoError, match=message):
        write_video(frames, tmp_path / "a.mp4", 24)
    assert names(tmp_path) == []


def test_bad_targets(tmp_path):
    frames = [chunk(pictures(2))]
    with pytest.raises(VideoError, match=r"written as .mp4, got the name a.gif"):
        write_video(frames, tmp_path / "a.gif", 24)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_video(frames, tmp_path / "none" / "a.mp4", 24)
    with pytest.raises(VideoError, match="crf must be"):
        write_video(frames, tmp_path / "a.mp4", 24, crf=60)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interruption_leaves_what_was_there(tmp_path, error):
    (tmp_path / "a.mp4").write_bytes(b"the older clip")

    def source():
        yield chunk(pictures(30))
        assert len(names(tmp_path)) == 2
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        write_video(source(), tmp_path / "a.mp4", 24)
    assert names(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"the older clip"


def test_full_disk(tmp_path):
    resource = pytest.importorskip("resource")
    noise = torch.randint(0, 255, (40, 3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"a.mp4 could not be written: .+"):
            write_video([noise], tmp_path / "a.mp4", 24, crf=5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["http:clip.mp4", "pipe:1.mp4", "a: b.mp4"])
def test_a_colon_in_a_name_is_a_letter_like_any_other(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video([torch.zeros(2, 3, 16, 16)], name, 24)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(read_video(name)) == 2


def test_colour_stays_where_it_is_however_often_a_clip_is_written(tmp_path):
    """By how far red less green has moved, by least squares on its slope."""
    frames = wanted = smooth_picture((96, 160), 3)[None].repeat(2, 1, 1, 1)
    for i in range(3):
        write_video([frames], tmp_path / f"{i}.mp4", 10, crf=4)
        frames = read_video(tmp_path / f"{i}.mp4").frames([0, 1]) / 255
    before, after = (picture[0, 0] - picture[0, 1] for picture in (wanted, frames))
    for dim in (0, 1):
        slope = torch.gradient(before, dim=dim)[0]
        assert abs(((after - before) * slope).sum() / slope.square().sum()) < 0.05
