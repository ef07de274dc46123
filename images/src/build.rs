//! From the parts to what a recipe makes.
//!
//! ```text
//! agent, modules, owner.toml ──▶ initramfs ─┬────────────────────────▶ netboot: kernel, initrd, cmdline
//! kernel ───────────────────────────────────┤  + stub, command line ──▶ uki
//! settings ──▶ command line, or FARMSTATE ──┘  + boot loaders ────────▶ disk, pi
//! ```
//! Where there is a state partition the settings, of which the token is a secret, stand in its `miner.conf`, and
//! the boot files of all rigs are the same; only what the agent needs to know before it has found that partition
//! ([`EARLY`]) stands on the command line. Without one all of them do. The owner's word is in the initramfs: no
//! controller and nobody on the network can say another one.

use std::io;
use std::path::Path;

use miner_shared::cmdline::{CmdlineError, Key, Settings};
use miner_shared::record::RecordError;
use miner_shared::release::{IMAGE_FILE, IMAGE_PRODUCT, IMAGE_SIZE, Image, Version};
use miner_shared::slots::{INITRAMFS_FILE, KERNEL_FILE};
use miner_shared::text::Text;

use crate::arch::Arch;
use crate::disk::{self, Disk, DiskError, Machine, RaspberryPi};
use crate::grub;
use crate::initramfs::{Initramfs, InitramfsError, SETTINGS_FILE};
use crate::manifest::File;
use crate::modules::{ModulesError, Set, wanted};
use crate::recipe::{Artefact, CommandLineError, Recipe, command_line, os_release};
use crate::source::Kernel;
use crate::sparse::Progress;
use crate::uki::{self, UkiError};

/// The owner's word in the initramfs.
const OWNER_FILE: &str = "owner.toml";
/// The unified kernel image among the parts.
const UKI_FILE: &str = "miner.efi";
/// The command line among the parts.
const CMDLINE_FILE: &str = "cmdline";

/// What the agent does before it looks for the state partition.
const EARLY: [Key; 2] = [Key::HugePages, Key::Ip];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting.
    #[error(transparent)]
    Setting(#[from] CmdlineError),
    /// What the image says of itself.
    #[error("the image's description: {0}")]
    Description(#[from] RecordError),
    /// Words for the kernel.
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The initramfs.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The kernel's modules.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// A part that this recipe needs was not given.
    #[error("{recipe} needs {part}")]
    Missing {
        /// What was to be made.
        recipe: Recipe,
        /// What is missing.
        part: &'static str,
    },
    /// The file.
    #[error("the image: {0}")]
    Save(#[from] io::Error),
    /// The unified kernel image.
    #[error(transparent)]
    Uki(#[from] UkiError),
    /// Kernel and initramfs weigh too much.
    #[error("kernel and initramfs have {bytes} bytes, and {} are the most for {arch}; take fewer modules", arch.max_payload())]
    TooHeavy {
        /// Together.
        bytes: usize,
        /// The machine.
        arch: Arch,
    },
}

/// What an image is made of, and what it says.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What is made.
    pub recipe: Recipe,
    /// Its version, which only rises.
    pub version: Version,
    /// The public release key that updates of it must be signed by; without one it takes none.
    pub release_key: Option<[u8; 32]>,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The agent's program.
    pub agent: &'a [u8],
    /// Which modules.
    pub set: Set,
    /// Further files of the initramfs, such as firmware for network cards.
    pub files: &'a [(String, Vec<u8>)],
    /// What the rig is told.
    pub settings: &'a Settings,
    /// The owner's word.
    pub owner: Option<&'a str>,
    /// Further words for the kernel.
    pub kernel_words: &'a str,
    /// What starts it.
    pub loaders: &'a Loaders,
}

/// What starts a kernel; each recipe needs some of it.
#[derive(Debug, Default)]
pub struct Loaders {
    /// systemd's EFI stub: UKI.
    pub stub: Option<Vec<u8>>,
    /// systemd-boot: disk.
    pub boot_manager: Option<Vec<u8>>,
    /// GRUB: disk for x86-64.
    pub grub: Option<grub::Parts>,
    /// Device trees by file name: Pi.
    pub device_trees: Vec<(String, Vec<u8>)>,
    /// The user's firmware by path: Pi.
    pub pi_firmware: Vec<(String, Vec<u8>)>,
}

/// The parts of an image, and how to make a disk of them.
#[derive(Debug)]
pub struct Built<'a> {
    plan: &'a Plan<'a>,
    command_line: String,
    initramfs: Vec<u8>,
    uki: Option<Vec<u8>>,
    state: Vec<(&'static str, Vec<u8>)>,
}

impl<'a> Plan<'a> {
    /// Makes the parts. Compressing takes most of the time: some ten seconds.
    ///
    /// # Errors
    /// A part is missing, is not for this machine, or there is too much of it.
    pub fn build(&'a self) -> Result<Built<'a>, BuildError> {
        let arch = self.recipe.arch;
        let has_state = matches!(self.recipe.artefact, Artefact::Disk | Artefact::Pi);
        let (on_line, state) = if has_state {
            let mut early = Settings::default();
            for key in EARLY {
                if let Some(value) = self.settings.get(key) {
                    early.set(key, value)?;
                }
            }
            let words = format!("{}\n", self.settings);
            (early, vec![(SETTINGS_FILE, words.into_bytes())])
        } else {
            (self.settings.clone(), Vec::new())
        };
        let command_line = command_line(arch, self.kernel_words, &on_line)?;

        let names = wanted(self.set, arch);
        let modules = self.kernel.modules.closure(&names)?;
        let mut files = self.files.to_vec();
        let owner = self.owner.map(|word| (OWNER_FILE.to_owned(), word.into()));
        files.extend(owner);
        files.push((IMAGE_FILE.to_owned(), self.image()?));
        let initramfs = Initramfs {
            agent: self.agent,
            modules: &modules,
            settings: None,
            files: &files,
        }
        .build()?;
        let bytes = self.kernel.image.len() + initramfs.len();
        if bytes > arch.max_payload() {
            return Err(BuildError::TooHeavy { bytes, arch });
        }

        let uki = (self.recipe.artefact == Artefact::Uki)
            .then(|| self.uki(&command_line, &initramfs))
            .transpose()?;
        Ok(Built {
            plan: self,
            command_line,
            initramfs,
            uki,
            state,
        })
    }

    /// What the image says of itself.
    fn image(&self) -> Result<Vec<u8>, BuildError> {
        let text = |text: &str| Text::parse(text).map_err(|_| RecordError::TooLong);
        let image = Image {
            product: text(IMAGE_PRODUCT)?,
            arch: text(self.recipe.arch.name())?,
            version: self.version,
            release_key: self.release_key,
        };
        let mut file = [0; IMAGE_SIZE];
        Ok(image.encode(&mut file)?.to_vec())
    }

    fn uki(&self, cmdline: &str, initramfs: &[u8]) -> Result<Vec<u8>, BuildError> {
        let stub = self.loaders.stub.as_deref();
        let parts = uki::Parts {
            stub: stub.ok_or_else(|| self.missing("systemd's EFI stub"))?,
            os_release: &os_release(&self.version.to_string()),
            cmdline,
            kernel: &self.kernel.image,
            initramfs,
        };
        Ok(uki::build(self.recipe.arch, &parts)?)
    }

    const fn missing(&self, part: &'static str) -> BuildError {
        BuildError::Missing {
            recipe: self.recipe,
            part,
        }
    }
}

impl Built<'_> {
    /// The files by which rigs start, with their names: what a boot server serves, an update sends and a
    /// manifest lists. A disk's hold no secret.
    pub fn parts(&self) -> Vec<(&'static str, &[u8])> {
        let mut parts: Vec<(&'static str, &[u8])> = vec![
            (KERNEL_FILE, &self.plan.kernel.image),
            (INITRAMFS_FILE, &self.initramfs),
            (CMDLINE_FILE, self.command_line.as_bytes()),
        ];
        parts.extend(self.uki.as_deref().map(|uki| (UKI_FILE, uki)));
        parts
    }

    /// Their entries for a manifest.
    pub fn entries(&self) -> Vec<File> {
        let parts = self.parts().into_iter();
        parts.map(|(name, bytes)| File::of(name, bytes)).collect()
    }

    /// The files of a slot, with their names: what a release for disks consists of. They hold no secret and
    /// no setting.
    pub fn slot(&self) -> [(&'static str, &[u8]); 2] {
        [
            (KERNEL_FILE, &self.plan.kernel.image),
            (INITRAMFS_FILE, &self.initramfs),
        ]
    }

    /// The unified kernel image, where the recipe makes one.
    pub fn uki(&self) -> Option<&[u8]> {
        self.uki.as_deref()
    }

    /// Writes the disk or card to a file, where the recipe is one; otherwise it writes nothing and says so.
    ///
    /// # Errors
    /// What starts it was not given, the files are too large for it, or the file cannot be written.
    pub fn save_disk(
        &self,
        path: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, BuildError> {
        let Plan {
            recipe, loaders, ..
        } = self.plan;
        let missing = |part| self.plan.missing(part);
        let (trees, firmware) = (views(&loaders.device_trees), views(&loaders.pi_firmware));
        let machine = match recipe.artefact {
            Artefact::Netboot | Artefact::Uki => return Ok(false),
            Artefact::Pi => Machine::RaspberryPi(RaspberryPi {
                kernel: &self.plan.kernel.image,
                initramfs: &self.initramfs,
                command_line: &self.command_line,
                device_trees: &trees,
                firmware: &firmware,
            }),
            Artefact::Disk => {
                let boot_manager = loaders.boot_manager.as_deref();
                let boot_manager = boot_manager.ok_or_else(|| missing("systemd-boot"))?;
                let kernel = disk::Kernel {
                    image: &self.plan.kernel.image,
                    initramfs: &self.initramfs,
                    command_line: &self.command_line,
                };
                match recipe.arch {
                    Arch::Aarch64 => Machine::Arm64 {
                        boot_manager,
                        kernel,
                    },
                    Arch::X86_64 => Machine::Pc {
                        boot_manager,
                        grub: loaders.grub.as_ref().ok_or_else(|| missing("GRUB"))?,
                        kernel,
                    },
                }
            }
        };
        let state: Vec<_> = self
            .state
            .iter()
            .map(|(name, bytes)| (*name, &**bytes))
            .collect();
        let disk = Disk {
            version: self.plan.version,
            machine,
            state: &state,
        };
        let image = disk.layout()?;
        image.save(path, progress)?;
        Ok(true)
    }
}

fn views(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    let views = files.iter();
    views.map(|(name, bytes)| (&**name, &**bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::tests::kernel;

    fn plan_of(artefact: Artefact, run: impl Fn(&Built<'_>)) {
        let mut settings = Settings::default();
        settings.set(Key::Controller, "10.0.0.1:9091").unwrap();
        settings.set(Key::HugePages, "off").unwrap();
        let recipe = Recipe {
            arch: Arch::Aarch64,
            artefact,
        };
        let names = wanted(Set::Virt, recipe.arch);
        let files: Vec<String> = names.iter().map(|name| format!("{name}.ko")).collect();
        let modules: Vec<_> = files.iter().map(|file| (&**file, "")).collect();
        let kernel = Kernel {
            release: "6.1".to_owned(),
            image: b"kernel".to_vec(),
            modules: kernel(&modules),
        };
        let plan = Plan {
            recipe,
            version: Version::default(),
            release_key: None,
            kernel: &kernel,
            agent: b"agent",
            set: Set::Virt,
            files: &[],
            settings: &settings,
            owner: Some("owner = \"Ada\"\n"),
            kernel_words: "",
            loaders: &Loaders::default(),
        };
        run(&plan.build().unwrap());
    }

    #[test]
    fn with_a_state_partition_only_what_is_needed_before_it_stands_on_the_command_line() {
        plan_of(Artefact::Pi, |built| {
            assert!(built.command_line.ends_with("quiet miner.hugepages=off"));
            let words = "miner.controller=10.0.0.1:9091 miner.hugepages=off\n";
            assert_eq!(built.state, [(SETTINGS_FILE, words.as_bytes().to_vec())]);
        });
    }

    #[test]
    fn without_one_all_stands_on_the_command_line() {
        plan_of(Artefact::Netboot, |built| {
            let line = "quiet miner.controller=10.0.0.1:9091 miner.hugepages=off";
            assert!(built.command_line.ends_with(line), "{}", built.command_line);
            assert!(built.state.is_empty() && built.uki.is_none());
        });
    }
}
