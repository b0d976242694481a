"""What is known of a computer and of the torch that is installed on it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ThermalZone:
    """A temperature sensor.

    Attributes:
        name: as the kernel calls it.
        celsius: the temperature.
        limit: degrees Celsius at which the kernel slows the machine down; None if it does not say.
    """

    name: str
    celsius: float
    limit: float | None = None


@dataclass(frozen=True)
class MachineFacts:
    """Processor and memory. Bytes, unless said otherwise; None where the kernel does not tell.

    Attributes:
        architecture: such as x86_64 or aarch64.
        processor: its name, may be empty.
        flags: instruction sets as /proc/cpuinfo names them.
        cores: logical processors of the machine.
        usable_cores: those that this process may run on.
        quota: processors that the control group allows, such as 1.5.
        load: processes that ran or waited on average over the last minute.
        memory, available: of the machine.
        memory_limit, memory_used: of the control group, and what it uses of that.
        governors: how many cores each frequency governor rules.
        frequency_cap: share of the highest frequency that the settings allow, 0 to 1.
        zones: temperatures.
        throttled: how often the processor slowed down for its temperature since the start.
        power_problem: what the firmware of a Raspberry Pi reports; empty for nothing.
        container: kind of the container that this process runs in; empty for none.
        numba: its version; empty where it is not installed.
    """

    architecture: str
    processor: str = ''
    flags: frozenset[str] = frozenset()
    cores: int = 1
    usable_cores: int = 1
    quota: float | None = None
    load: float | None = None
    memory: int | None = None
    available: int | None = None
    memory_limit: int | None = None
    memory_used: int | None = None
    governors: dict[str, int] = field(default_factory=dict)
    frequency_cap: float | None = None
    zones: tuple[ThermalZone, ...] = ()
    throttled: int | None = None
    power_problem: str = ''
    container: str = ''
    numba: str = ''

    @property
    def effective_cores(self) -> float:
        """Processors that this process can keep busy."""
        return min(self.usable_cores, self.quota or self.usable_cores)


@dataclass(frozen=True)
class GpuFacts:
    """NVIDIA and AMD GPUs, as the kernel and the driver show them.

    Attributes:
        pci: NVIDIA display devices on the PCI bus, such as 0000:01:00.0.
        device_files: such as /dev/nvidia0.
        driver: version of the kernel's NVIDIA driver; empty where none is loaded.
        names: of the GPUs, as the driver or nvidia-smi tell.
        jetson: the release of a Jetson's system, such as `R36 (release), REVISION: 4.0`.
        smi_problem: why nvidia-smi failed; empty where it did not, or is not installed.
        amd: whether the kernel has AMD's compute driver.
        visible: value of CUDA_VISIBLE_DEVICES; None where that is not set.
    """

    pci: tuple[str, ...] = ()
    device_files: tuple[str, ...] = ()
    driver: str = ''
    names: tuple[str, ...] = ()
    jetson: str = ''
    smi_problem: str = ''
    amd: bool = False
    visible: str | None = None


@dataclass(frozen=True)
class CudaDevice:
    """A GPU as torch sees it.

    Attributes:
        name: of the GPU.
        capability: compute capability, such as (8, 7).
        memory: in bytes.
    """

    name: str
    capability: tuple[int, int]
    memory: int = 0


@dataclass(frozen=True)
class TorchFacts:
    """The torch that is installed.

    Attributes:
        error: why it cannot be imported; empty where it can.
        version: such as 2.13.0+cpu.
        cuda: version of CUDA that it was built for; empty for none.
        hip: version of ROCm that it was built for; empty for none.
        available: whether it can use a GPU.
        problem: what it said when it was asked for GPUs.
        devices: those that it can use.
        architectures: that it was built for, such as sm_80 and compute_90.
        int8: whether precision int8 is fast on this processor.
        precision: what network.precision auto stands for here, and why.
        threads: that it would use.
    """

    error: str = ''
    version: str = ''
    cuda: str = ''
    hip: str = ''
    available: bool = False
    problem: str = ''
    devices: tuple[CudaDevice, ...] = ()
    architectures: tuple[str, ...] = ()
    int8: bool = False
    precision: str = ''
    threads: int = 0


@dataclass(frozen=True)
class RuntimeFacts:
    """The runtime other than torch that is set.

    Attributes:
        name: onnxruntime or openvino.
        error: why it cannot be imported; empty where it can.
        version: of the package.
        devices: as network.device names them.
    """

    name: str
    error: str = ''
    version: str = ''
    devices: tuple[str, ...] = ()
