//! Where a model runs.

use std::{fmt, fs, ops::Deref, path::Path, str::FromStr};

use ort::{
    ep::{
        CUDA,
        cuda::{CUDA_DYLIBS, CUDNN_DYLIBS, ConvAlgorithmSearch},
    },
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{Session, builder::SessionBuilder},
    util::preload_dylib,
};
use serde::{Deserialize, Serialize};

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The processor of the machine.
    Cpu,
    /// An NVIDIA GPU, by the number that CUDA gives it.
    Cuda(u32),
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Device, DeviceError> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => {
                index.parse().map(Device::Cuda).map_err(|_| DeviceError::Unknown(text.to_owned()))
            }
            _ => Err(DeviceError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = DeviceError;

    fn try_from(text: String) -> Result<Device, DeviceError> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

/// One device or several: in the configuration a string or a list of strings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "OneOrMore")]
pub struct Devices(pub Vec<Device>);

impl Deref for Devices {
    type Target = [Device];

    fn deref(&self) -> &[Device] {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"cpu\", \"cuda:0\" or a list of such devices")]
enum OneOrMore {
    One(Device),
    More(Vec<Device>),
}

impl From<OneOrMore> for Devices {
    fn from(devices: OneOrMore) -> Devices {
        match devices {
            OneOrMore::One(device) => Devices(vec![device]),
            OneOrMore::More(devices) => Devices(devices),
        }
    }
}

/// A device is unknown or not to be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The name of no device.
    #[error("\"{0}\" is no device: use \"cpu\", \"cuda\" or \"cuda:N\"")]
    Unknown(String),
    /// ONNX Runtime cannot run on it.
    #[error("model.device = \"{device}\" cannot be used: {missing}; ONNX Runtime says: {message}")]
    Unavailable {
        /// The device.
        device: Device,
        /// What this machine lacks, as far as it can be told.
        missing: String,
        /// ONNX Runtime's words.
        message: String,
    },
}

/// Puts sessions of `builder` on the device. `library` is ONNX Runtime's.
pub(super) fn register(
    device: Device,
    builder: SessionBuilder,
    library: &Path,
) -> Result<SessionBuilder, DeviceError> {
    let Device::Cuda(index) = device else {
        return Ok(builder);
    };
    let unavailable = |message: String| unavailable(device, library, message);
    let id = i32::try_from(index).map_err(|error| unavailable(error.to_string()))?;
    library.parent().into_iter().for_each(preload);
    // Batches differ in length, and the exhaustive search would start anew for each shape.
    let cuda = CUDA::default().with_device_id(id).with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic);
    builder
        .with_execution_providers([cuda.build().error_on_failure()])
        .map_err(|error| unavailable(error.to_string()))
}

/// Loads CUDA and cuDNN from the folder of ONNX Runtime where they lie there, since the system's loader does not look
/// in that folder. Whatever is absent or fails is left to the system's loader, whose error then is the one to tell.
fn preload(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let names: Vec<String> =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    for library in CUDA_DYLIBS.iter().chain(CUDNN_DYLIBS) {
        let stem = library.split_inclusive('.').next().unwrap_or(library);
        for name in names.iter().filter(|name| name.starts_with(stem)) {
            if let Err(error) = preload_dylib(folder.join(name)) {
                tracing::debug!(name, %error, "not preloaded");
            }
        }
    }
}

/// Checks that the session did come to be on the device: only then does the session own memory there.
pub(super) fn verify(device: Device, session: &Session, library: &Path) -> Result<(), DeviceError> {
    let Device::Cuda(index) = device else {
        return Ok(());
    };
    let memory =
        MemoryInfo::new(AllocationDevice::CUDA, index as i32, AllocatorType::Device, MemoryType::Default);
    memory
        .and_then(|memory| Allocator::new(session, memory))
        .map(drop)
        .map_err(|error| unavailable(device, library, error.to_string()))
}

/// The error for a device that failed, with what can be found out about the cause.
pub(super) fn unavailable(device: Device, library: &Path, message: String) -> DeviceError {
    let missing = match device {
        Device::Cpu => "the processor itself fails".to_owned(),
        Device::Cuda(index) => missing_for_cuda(index, library, Path::new("/dev")).join("; "),
    };
    DeviceError::Unavailable { device, missing, message }
}

/// What a CUDA device needs and this machine lacks. `dev` is the folder of device files.
fn missing_for_cuda(index: u32, library: &Path, dev: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    let provider = library.with_file_name(format!(
        "{}onnxruntime_providers_cuda{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ));
    // A library that the system's loader found by its bare name lies in a folder that is not known here.
    let folder_known = library.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
    if folder_known && !provider.exists() {
        missing.push(format!(
            "the CUDA provider library {} is missing, so this is the CPU build of ONNX Runtime (unpack the \
             onnxruntime-gpu wheel there instead)",
            provider.display()
        ));
    }
    let gpus = gpu_count(dev);
    if gpus == 0 && !dev.join("dxg").exists() {
        missing.push(format!(
            "this machine shows no NVIDIA GPU or driver (no {}, which libcuda.so.1 needs)",
            dev.join("nvidia0").display()
        ));
    } else if gpus > 0 && index >= gpus {
        missing.push(format!("this machine has {gpus} NVIDIA GPU(s), numbered from 0"));
    }
    if missing.is_empty() {
        let cure = "CUDA or cuDNN is missing or of another version than ONNX Runtime needs (put their libraries beside \
                    ONNX Runtime's, or their folder into LD_LIBRARY_PATH)";
        missing.push(cure.to_owned());
    }
    missing
}

/// How many GPUs the NVIDIA driver shows: `/dev/nvidia0`, `/dev/nvidia1`, ...
fn gpu_count(dev: &Path) -> u32 {
    let Ok(entries) = fs::read_dir(dev) else { return 0 };
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_str().is_some_and(is_gpu)).count()
        as u32
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{Device, Devices, missing_for_cuda};

    #[test]
    fn names_of_devices() {
        let check = |text: &str, expected: Option<Device>| {
            assert_eq!(text.parse::<Device>().ok(), expected, "{text:?}");
        };
        check("cpu", Some(Device::Cpu));
        check("cuda", Some(Device::Cuda(0)));
        check("cuda:0", Some(Device::Cuda(0)));
        check("cuda:12", Some(Device::Cuda(12)));
        for wrong in ["", "gpu", "cpu:0", "cuda:", "cuda:-1", "cuda:+1", "cuda:99999999999", "CUDA"] {
            check(wrong, None);
        }
    }

    #[test]
    fn one_device_or_a_list() {
        let devices = |json: &str| serde_json::from_str::<Devices>(json).map(|devices| devices.0).ok();
        assert_eq!(devices(r#""cuda:1""#), Some(vec![Device::Cuda(1)]));
        assert_eq!(devices(r#"["cuda:0", "cpu"]"#), Some(vec![Device::Cuda(0), Device::Cpu]));
        assert_eq!(devices("[]"), Some(vec![]));
        assert_eq!(devices(r#""tpu""#), None);
    }

    #[test]
    fn tells_what_a_gpu_lacks() {
        let machine = tempfile::tempdir().unwrap();
        let library = machine.path().join("libonnxruntime.so.1");
        let check = |index: u32, library: &Path, expected: &[&str]| {
            let missing = missing_for_cuda(index, library, machine.path());
            assert_eq!(missing.len(), expected.len(), "{missing:?}");
            for (missing, expected) in missing.iter().zip(expected) {
                assert!(missing.contains(expected), "{missing} lacks {expected}");
            }
        };
        check(0, &library, &["onnxruntime-gpu wheel", "nvidia0"]);
        check(0, Path::new("libonnxruntime.so"), &["nvidia0"]);
        fs::write(machine.path().join("nvidia0"), "").unwrap();
        fs::write(machine.path().join("nvidiactl"), "").unwrap();
        check(0, &library, &["onnxruntime-gpu wheel"]);
        check(1, &library, &["onnxruntime-gpu wheel", "has 1 NVIDIA GPU(s)"]);
        let provider = format!(
            "{}onnxruntime_providers_cuda{}",
            std::env::consts::DLL_PREFIX,
            std::env::consts::DLL_SUFFIX
        );
        fs::write(machine.path().join(provider), "").unwrap();
        check(0, &library, &["CUDA or cuDNN"]);
    }
}
