"""GPUs for tests on a CPU: tensors say that they are on one, and what a real GPU would punish fails.

Their values lie in the host's memory, so that a job's models can be held against those of the CPU, bit for bit. An
operation on tensors of two devices fails (a number of the CPU may join), as does a read by NumPy, a generator of
another device, or a generator's state from another kind of device. A copy to the host that nobody has waited for yet
is NaN. Noted are ``waits``, for which the host stops until the GPU is done, and ``used``, the GPUs that were waited
for, or taken because they were the current ones. torch's own functions are trusted: what they do inside is not looked
at.
"""

import hashlib
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

CPU = torch.device("cpu")
VALUES = ("item", "tolist", "equal", "allclose", "is_nonzero", "__bool__", "__int__", "__float__", "__index__")
SIZES = ("nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "bincount")
OF_ANY_DEVICE = ("_has_compatible_shallow_copy_type",)
OF_ONE_DEVICE = ("cat", "stack", "_fused_sgd_", "_fused_adam_", "_fused_adamw_")
RNG_STATE = 16  # bytes of the state of CUDA's generators


class Gpus(TorchFunctionMode):
    """The stand-in: watches every call of torch while it is entered.

    Args:
        number: GPUs that there are.
        bf16: Whether they support it.
    """

    def __init__(self, number=2, bf16=True):
        super().__init__()
        self.number, self.bf16, self.current = number, bf16, 0
        self.places, self.pinned = WeakTensorKeyDictionary(), WeakTensorKeyDictionary()
        self.coming = [[] for _ in range(number)]
        self.waits, self.used, self.pinned_copies = [], set(), 0

    def __torch_function__(self, function, types, arguments=(), options=None):
        options, name = dict(options or {}), function.__name__
        if name in ("__get__", "__set__"):
            return self._attribute(function, name, *arguments)
        if name in ("to", "cpu", "cuda"):
            return self._moved(name, *arguments, **options)
        if name == "copy_":
            return self._copied(function, *arguments, **options)
        if name == "pin_memory":
            return self._pin(arguments[0].clone())
        if name in ("__getitem__", "__setitem__"):
            self._check_index(name, *arguments[:2])
        return self._called(function, name, arguments, options)

    def place(self, tensor):
        return self.places.get(tensor, CPU)

    def _attribute(self, function, access, tensor, value=None, *_):
        name = function.__self__.__name__
        if access == "__get__" and name in ("device", "is_cuda", "is_cpu"):
            place = self.place(tensor)
            return {"device": place, "is_cuda": place != CPU, "is_cpu": place == CPU}[name]
        if access == "__get__":
            return self._on(self.place(tensor), function(tensor, value))
        function(tensor, value)
        if name == "data":
            self.places.pop(tensor, None)
            self._on(self.place(value), tensor)

    def _moved(self, name, tensor, *given, **options):
        if name != "to":
            given = ("cuda" if name == "cuda" else "cpu", *given)
        if given and isinstance(given[0], torch.Tensor):
            given = (self.place(given[0]), given[0].dtype, *given[1:])
        copy = options.pop("copy", False)
        device, dtype, soon, layout = torch._C._nn._parse_to(*given, **options)
        target, source = self.device(device) if device else self.place(tensor), self.place(tensor)
        layout = layout or torch.preserve_format
        changed = tensor.to(dtype=dtype or tensor.dtype, copy=copy or target != source, memory_format=layout)
        if target == source:
            return self._on(target, changed)
        if target == CPU and soon:
            return self._later(source, self._pin(changed), changed.detach().clone())
        self._wait_for_copy(tensor, target, soon)
        return self._on(target, changed)

    def _copied(self, function, tensor, source, non_blocking=False):
        there, here = self.place(source), self.place(tensor)
        if here == CPU != there and non_blocking and tensor in self.pinned:
            return self._later(there, tensor, source.detach().clone())
        if here != there:
            self._wait_for_copy(source, here, non_blocking)
        return function(tensor, source)

    def _wait_for_copy(self, source, target, soon):
        place = self.place(source)
        if place == CPU and soon and source in self.pinned:
            self.pinned_copies += 1
        elif CPU in (place, target):
            self._wait(f"copy of {tuple(source.shape)} from {place.type}", target if place == CPU else place)

    def _check_index(self, name, tensor, index):
        place, parts = self.place(tensor), index if isinstance(index, tuple) else (index,)
        for part in parts:
            if isinstance(part, torch.Tensor):
                elsewhere = self.place(part) != place
                if elsewhere and self.place(part) != CPU:
                    raise RuntimeError(f"indices should be on the device of the indexed tensor ({place})")
                if place != CPU and (elsewhere or part.dtype == torch.bool or not part.dim()):
                    self._wait(f"{name} by a tensor of {part.dtype} from {self.place(part).type}", place)
            elif isinstance(part, np.ndarray | list) and place != CPU:
                self._wait(f"{name} by values of the host", place)

    def _called(self, function, name, arguments, options):
        asked, pinned = options.pop("device", None), options.pop("pin_memory", False)
        indexed = name in ("__getitem__", "__setitem__")
        tensors = list(_tensors((arguments[0], arguments[2:]) if indexed else (arguments, options)))
        counted = [each for each in tensors if each.dim() or self.place(each) != CPU or name in OF_ONE_DEVICE]
        places = {self.place(each) for each in counted}
        if len(places) > 1 and name not in OF_ANY_DEVICE:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, found {places}")
        found = places.pop() if places else CPU
        device = self.device(asked) if asked is not None else found
        if found != CPU:
            self._check_host(name, tensors, found)
        if name in ("tensor", "as_tensor") and device != found and not (tensors and found != CPU):
            self._wait(f"{name} of values of the host", device)
        generator = options.get("generator")
        if generator is not None and generator.device != device:
            raise RuntimeError(f"{name}: expected a generator of {device}, found one of {generator.device}")
        result = function(*arguments, **options)
        for each in _tensors(result):
            if self.place(each) != device and any(each is given for given in tensors):
                raise RuntimeError(f"{name}: expected all tensors to be on the same device, found {device} and cpu")
        return self._pin(result) if pinned else self._on(device, result)

    def _check_host(self, name, tensors, place):
        if name in ("numpy", "__array__"):
            raise TypeError(f"can't convert {place} device type tensor to numpy")
        if name in VALUES or name in SIZES or (name == "where" and len(tensors) == 1):
            self._wait(name, place)

    def _on(self, device, result):
        for each in _tensors(result):
            if device != CPU:
                self.places[each] = device
        return result

    def _pin(self, tensor):
        self.pinned[tensor] = True
        self.used.add(self.current)
        return tensor

    def _later(self, device, tensor, values):
        """Fills a tensor of the host with nothing, until the copy has been waited for."""
        tensor.fill_(torch.nan if tensor.is_floating_point() else 0)
        self.coming[device.index].append(lambda: tensor.copy_(values))
        return tensor

    def finish(self, device, copies=None):
        """Ends what a GPU has begun: all, or some copies."""
        coming = self.coming[device.index]
        for copy in [each for each in coming if copies is None or each in copies]:
            copy()
            coming.remove(copy)

    def _wait(self, reason, device):
        self.waits.append(reason)
        self.used.add(device.index)
        self.finish(device)

    def device(self, asked=None):
        """A device with its number; the current GPU if none is given."""
        found = torch.device("cuda" if asked is None else asked)
        if found.type == "cuda" and found.index is None:
            self.used.add(self.current)
            return torch.device("cuda", self.current)
        assert found.type in ("cpu", "cuda") and (found.index or 0) < self.number, f"invalid device ordinal: {found}"
        return CPU if found.type == "cpu" else found

    @contextmanager
    def as_current(self, asked):
        before, self.current = self.current, self.device(asked).index
        try:
            yield
        finally:
            self.current = before


def _tensors(values):
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from _tensors(value)
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)


def generators(gpus):
    """The class of generators: a GPU's draw what the CPU's do; their states are of another size."""
    states = {}

    class Generator(torch.Generator):
        def __new__(cls, device="cpu"):
            made = super().__new__(cls, "cpu")
            made.place = gpus.device(device)
            return made

        def __init__(self, device="cpu"):
            super().__init__()

        @property
        def device(self):
            return self.place

        def get_state(self):
            state = super().get_state()
            if self.place == CPU:
                return state
            short = hashlib.md5(state.numpy().tobytes()).digest()
            states[short] = state
            return torch.frombuffer(bytearray(short), dtype=torch.uint8)

        def set_state(self, state):
            if self.place != CPU:
                if state.numel() != RNG_STATE:
                    raise RuntimeError("RNG state is wrong size")
                state = states[state.numpy().tobytes()]
            return super().set_state(state)

    return Generator


def events(gpus):
    """The class of events: the GPU's copies up to where one was recorded."""

    class Event:
        def record(self, stream=None):
            self.device = (stream or torch.cuda.current_stream()).device
            self.copies = list(gpus.coming[self.device.index])

        def synchronize(self):
            gpus.finish(self.device, self.copies)

    return Event


def autocasts():
    """The class of autocast: a GPU's is the CPU's, and the CPU's does nothing to tensors of a GPU."""

    class Autocast(torch.autocast):
        def __init__(self, device_type, dtype=None, enabled=True):
            super().__init__("cpu", dtype=dtype, enabled=enabled and device_type == "cuda")

    return Autocast


@contextmanager
def stand_in_gpus(monkeypatch, **options):
    """Yields GPUs that jobs find and use as if they were there."""
    gpus = Gpus(**options)

    def synchronize(device=None):
        gpus._wait("synchronize", gpus.device(device))

    def about(device=None):
        return SimpleNamespace(uuid=f"stand-in-{id(gpus)}-{gpus.device(device).index}")

    stand_ins = {
        "is_available": lambda: True,
        "device_count": lambda: gpus.number,
        "is_bf16_supported": lambda including_emulation=True: gpus.bf16 or including_emulation,
        "get_device_properties": about,
        "get_device_name": lambda device=None: "a stand-in",
        "max_memory_reserved": lambda device=None: 2**20,
        "device": gpus.as_current,
        "current_stream": lambda device=None: SimpleNamespace(device=gpus.device(device)),
        "synchronize": synchronize,
        "Event": events(gpus),
    }
    with monkeypatch.context() as patched:
        for name, stand_in in stand_ins.items():
            patched.setattr(torch.cuda, name, stand_in)
        patched.setattr(torch, "Generator", generators(gpus))
        patched.setattr(torch, "autocast", autocasts())
        with gpus:
            yield gpus
