//! What a program needs of the machines that it is to run on, as its ELF file says.
//!
//! The format: System V ABI, gabi 4.1, chapters 4 and 5; symbol versions: LSB 5.0, core, 10.7. Little-endian files of 64 bits,
//! which all machines are that readers run on.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

/// Section type of the versions that are needed (`SHT_GNU_verneed`).
const VERSIONS_NEEDED: u32 = 0x6fff_fffe;
/// Largest section that is read, in bytes; those that are read here have some kilobytes.
const MAX_SECTION: u64 = 64 << 20;
/// Bytes of a section header.
const SECTION_HEADER: usize = 64;

/// A version of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc {
    major: u32,
    minor: u32,
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Glibc {
    type Err = ();

    /// Reads `2.34`; what comes after a second point does not count.
    fn from_str(text: &str) -> Result<Glibc, ()> {
        let mut numbers = text.split('.').map(|number| number.parse::<u32>().map_err(|_| ()));
        Ok(Glibc { major: numbers.next().ok_or(())??, minor: numbers.next().ok_or(())?? })
    }
}

/// What a program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The oldest glibc that will do; `None` if it needs none, such as one that is linked statically.
    pub glibc: Option<Glibc>,
}

/// Reads what a program needs. An error tells what it is instead of a program for Linux.
pub fn needs(file: &File) -> io::Result<Needs> {
    let header = read(file, 0, 64).map_err(|_| wrong("it is no program"))?;
    if header[..4] != *b"\x7fELF" {
        return Err(wrong("it is no ELF program"));
    }
    if header[4..6] != [2, 1] {
        return Err(wrong("it is no ELF program of 64 bits, little-endian"));
    }
    let machine = u16_at(&header, 18)?;
    if machine != HERE {
        return Err(wrong("it is a program for another processor than this machine's"));
    }
    let sections_at = u64_at(&header, 40)?;
    let count = usize::from(u16_at(&header, 60)?);
    let table = read(file, sections_at, (count * SECTION_HEADER) as u64)?;
    let section = |index: usize| {
        table.get(index * SECTION_HEADER..(index + 1) * SECTION_HEADER).ok_or_else(|| wrong("it is cut off"))
    };
    let content = |header: &[u8]| read(file, u64_at(header, 24)?, u64_at(header, 32)?);
    let mut glibc = None;
    for index in 0..count {
        let header = section(index)?;
        if u32_at(header, 4)? == VERSIONS_NEEDED {
            let names = content(section(u32_at(header, 40)? as usize)?)?;
            for version in versions(&content(header)?, &names)? {
                let newer = version.strip_prefix("GLIBC_").and_then(|version| version.parse().ok());
                glibc = glibc.max(newer);
            }
        }
    }
    Ok(Needs { glibc })
}

/// The processor of this machine (`e_machine`).
const HERE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// Names of all versions in a section of `Verneed` and `Vernaux`, 16 bytes each, chained by distances.
fn versions(section: &[u8], names: &[u8]) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let mut entry = at + u32_at(section, at + 8)? as usize;
        loop {
            let name = u32_at(section, entry + 8)? as usize;
            let name = names.get(name..).ok_or_else(|| wrong("a name of a version lies outside"))?;
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            found.push(String::from_utf8_lossy(&name[..end]).into_owned());
            // Each step leads on within the section, so this comes to an end.
            match u32_at(section, entry + 12)? {
                0 => break,
                step => entry += step as usize,
            }
        }
        match u32_at(section, at + 12)? {
            0 => return Ok(found),
            step => at += step as usize,
        }
    }
}

fn read(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > MAX_SECTION {
        return Err(wrong("a section is too long"));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> io::Result<[u8; N]> {
    let bytes = from.get(at..).and_then(|rest| rest.first_chunk::<N>());
    bytes.copied().ok_or_else(|| wrong("it is cut off"))
}

fn u16_at(from: &[u8], at: usize) -> io::Result<u16> {
    bytes(from, at).map(u16::from_le_bytes)
}

fn u32_at(from: &[u8], at: usize) -> io::Result<u32> {
    bytes(from, at).map(u32::from_le_bytes)
}

fn u64_at(from: &[u8], at: usize) -> io::Result<u64> {
    bytes(from, at).map(u64::from_le_bytes)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| text.parse::<Glibc>().unwrap();
        assert!(version("2.9") < version("2.17") && version("2.34.1") == version("2.34"));
        assert!("2".parse::<Glibc>().is_err() && "2.x".parse::<Glibc>().is_err());
        assert_eq!(version("2.2.5").to_string(), "2.2");
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn this_program_needs_a_glibc_that_this_machine_has() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let glibc = needs(&file).unwrap().glibc.unwrap();
        // Rust's standard library itself needs that; the machine that runs this has what it needs.
        assert!(glibc >= "2.17".parse().unwrap() && glibc.major == 2, "{glibc}");
    }

    #[test]
    fn what_is_no_program_is_refused_wherever_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let refusal = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            needs(&File::open(&path).unwrap()).unwrap_err().to_string()
        };
        assert!(refusal(b"").contains("no program"));
        assert!(refusal(&[b'x'; 100]).contains("no ELF"));
        let mut program = vec![0; 64 << 10];
        File::open(std::env::current_exe().unwrap()).unwrap().read_exact_at(&mut program, 0).unwrap();
        refusal(&program);
        program[18] ^= 0xff;
        assert!(refusal(&program).contains("another processor"));
        program[4] = 1;
        assert!(refusal(&program).contains("64 bits"));
    }
}
