//! `image build`: from Debian's packages and the static agent to what rigs boot.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use miner_images::arch::Arch;
use miner_images::build::{Built, Loaders, Plan};
use miner_images::deb;
use miner_images::grub::Grub;
use miner_images::manifest::{Draft, File};
use miner_images::modules::Set;
use miner_images::packages::{Archive, Fetched, Package, Packages};
use miner_images::recipe::{Artefact, Recipe};
use miner_images::source::{self, Kernel};
use miner_shared::cmdline::{Key, Settings};
use miner_shared::owner::OwnerWord;
use miner_shared::release::{IMAGE_PRODUCT, ReleaseKey, Version};
use serde_json::json;

use super::manifest::read_key;
use super::progress::Teller;
use super::search::Known;
use crate::cli::{secrets, show};

/// Where Debian's kernel package has device trees of the Raspberry Pi.
const TREES: &str = "/broadcom/bcm27";

/// The signed list of a release, in its folder.
const MANIFEST: &str = "manifest";
/// Debian's keys.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Build what rigs boot: a disk image, a unified kernel image, or kernel and initramfs for network boot.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "build")]
pub(super) struct Build {
    /// x86_64-disk, x86_64-uki, x86_64-netboot, aarch64-disk, aarch64-uki, aarch64-netboot or aarch64-pi
    #[argh(option)]
    recipe: String,
    /// file of the image; for netboot the folder of its parts
    #[argh(option)]
    out: String,
    /// controller that the rigs dial, HOST:PORT; several with commas, tried in order
    #[argh(option)]
    controller: Option<String>,
    /// file with an enrolment token, or - for standard input
    #[argh(option)]
    token_file: Option<String>,
    /// who owns the rigs: without an owner they do not mine
    #[argh(option)]
    owner: Option<String>,
    /// wallet that the rigs may mine for, whatever a controller says; may be given several times
    #[argh(option)]
    wallet: Vec<String>,
    /// pool that the rigs may mine at, HOST:PORT, HOST or *.HOST; may be given several times
    #[argh(option)]
    pool: Vec<String>,
    /// the owner's word as a file, instead of --owner, --wallet and --pool
    #[argh(option)]
    owner_file: Option<String>,
    /// static agent; default: what `cargo xtask build` made
    #[argh(option)]
    agent: Option<String>,
    /// virt, full or server: kernel modules for virtual machines, for rigs, for servers' network cards too; default: full
    #[argh(option, default = "String::from(\"full\")")]
    modules: String,
    /// huge pages: auto, off, 1g or a number; default: auto
    #[argh(option)]
    hugepages: Option<String>,
    /// address: dhcp, ADDRESS/PREFIX,GATEWAY, or dhcp,ADDRESS/PREFIX,GATEWAY for when no lease comes; a DNS server may follow; default: dhcp
    #[argh(option)]
    ip: Option<String>,
    /// further words for the kernel, such as "hugepagesz=1G hugepages=3"
    #[argh(option, default = "String::new()")]
    kernel_words: String,
    /// folder of a kernel of your own, laid out like a package: boot/vmlinuz-*, lib/modules
    #[argh(option)]
    kernel: Option<String>,
    /// folder of firmware files: for network cards, or the Raspberry Pi's own
    #[argh(option)]
    firmware: Option<String>,
    /// folder for downloaded packages; default: ~/.cache/lethean-desktop/packages
    #[argh(option)]
    packages: Option<String>,
    /// where packages come from, as in sources.list: URL SUITE COMPONENT; may be given several times; default: as for this machine
    #[argh(option)]
    archive: Vec<String>,
    /// version of the image, which only rises; default: this program's
    #[argh(option)]
    image_version: Option<String>,
    /// release key: signs a manifest of the parts, OUT.manifest; rigs with this image take updates that it signed
    #[argh(option)]
    release_key: Option<String>,
    /// new folder for a signed release, by which disks of an older version are updated; needs --release-key
    #[argh(option)]
    release: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Build {
    pub(super) fn run(self) -> Result<(), Failure> {
        let recipe: Recipe = self.recipe.parse().map_err(Failure::usage)?;
        let set: Set = self.modules.parse().map_err(Failure::usage)?;
        let version = self.version()?;
        let settings = self.settings()?;
        let owner = self.owner()?;
        let key = self.release_key.as_deref().map(read_key).transpose()?;
        if self.release.is_some() && key.is_none() {
            return Err(Failure::usage(
                "--release needs --release-key: rigs take no release that is not signed",
            ));
        }
        let agent =
            source::agent(&self.agent_path(recipe.arch), recipe.arch).map_err(Failure::new)?;

        let mut teller = Teller::new();
        let mut sources = Sources::new(recipe, &self);
        let kernel = sources.kernel(&mut teller)?;
        let loaders = sources.loaders(&mut teller)?;
        let files = match (&self.firmware, recipe.artefact) {
            (Some(folder), Artefact::Disk | Artefact::Netboot | Artefact::Uki) => {
                files_below(Path::new(folder), "lib/firmware/")?
            }
            _ => Vec::new(),
        };
        let plan = Plan {
            recipe,
            version,
            release_key: key.as_ref().map(ReleaseKey::public),
            kernel: &kernel,
            agent: &agent,
            set,
            files: &files,
            settings: &settings,
            owner: owner.as_deref(),
            kernel_words: &self.kernel_words,
            loaders: &loaders,
        };
        let known = Known::of_this_machine(key.as_ref());
        let token_wanted = settings.get(Key::Token).is_some();
        // What goes into the initramfs is compressed there: searched now.
        let inputs = [
            ("the agent", &*agent),
            ("kernel words", self.kernel_words.as_bytes()),
        ];
        let word = owner
            .as_deref()
            .map(|word| ("the owner's word", word.as_bytes()));
        let added = files.iter().map(|(name, bytes)| (&**name, &**bytes));
        known.refuse(inputs.into_iter().chain(word).chain(added), false)?;
        teller.step("packing the initramfs");
        let built = plan.build().map_err(Failure::new)?;
        teller.step("looking for secrets");
        known.refuse(built.parts(), token_wanted)?;
        if self.write(&built, &mut teller)? {
            known.refuse_disk(Path::new(&self.out), token_wanted)?;
        }
        if let Some(key) = key {
            let mut draft = Draft {
                product: IMAGE_PRODUCT.to_owned(),
                arch: recipe.arch.to_string(),
                version,
                min_from: Version::default(),
                files: built.entries(),
                packages: sources.used,
            };
            let text = draft.sign(&key).map_err(Failure::new)?;
            write(
                Path::new(&format!("{}.manifest", self.out)),
                text.as_bytes(),
            )?;
            if let Some(folder) = &self.release {
                let parts = built.slot();
                draft.files = parts
                    .iter()
                    .map(|(name, bytes)| File::of(name, bytes))
                    .collect();
                let text = draft.sign(&key).map_err(Failure::new)?;
                write_all(Path::new(folder), &parts)?;
                write(&Path::new(folder).join(MANIFEST), text.as_bytes())?;
            }
        }
        drop(teller);
        self.tell(&built);
        Ok(())
    }

    fn version(&self) -> Result<Version, Failure> {
        let text = self
            .image_version
            .as_deref()
            .unwrap_or(env!("CARGO_PKG_VERSION"));
        let wrong = |_| Failure::usage(format!("--image-version {text}: write MAJOR.MINOR.PATCH"));
        text.parse().map_err(wrong)
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let token = self.token_file.as_deref().map(secrets::read).transpose()?;
        let mut settings = Settings::default();
        for (key, value) in [
            (Key::Controller, self.controller.as_deref()),
            (Key::Token, token.as_ref().map(|token| token.as_str())),
            (Key::HugePages, self.hugepages.as_deref()),
            (Key::Ip, self.ip.as_deref()),
        ] {
            if let Some(value) = value {
                settings.set(key, value).map_err(Failure::usage)?;
            }
        }
        if settings.get(Key::Token).is_some() && settings.get(Key::Controller).is_none() {
            return Err(Failure::usage(
                "--token-file needs --controller: a rig shows its token to one",
            ));
        }
        Ok(settings)
    }

    /// The owner's word, checked as a rig will check it.
    fn owner(&self) -> Result<Option<String>, Failure> {
        let (from, word) = match &self.owner_file {
            Some(_) if self.owner.is_some() || !self.wallet.is_empty() || !self.pool.is_empty() => {
                return Err(Failure::usage(
                    "--owner-file has the owner, wallets and pools already",
                ));
            }
            Some(path) => {
                let failed = |error| Failure::new(format!("{path}: {error}"));
                (&**path, fs::read_to_string(path).map_err(failed)?)
            }
            None => match self.word() {
                Some(word) => ("--owner, --wallet, --pool", word),
                None => return Ok(None),
            },
        };
        match OwnerWord::parse(word.as_bytes()) {
            Ok(_) => Ok(Some(word)),
            Err(error) => Err(Failure::new(format!("{from}: {error}"))),
        }
    }

    fn word(&self) -> Option<String> {
        let quoted = |text: &String| format!("{text:?}");
        let list = |texts: &[String]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let owner = self
            .owner
            .as_ref()
            .map(|name| format!("owner = {name:?}\n"));
        let wallets =
            (!self.wallet.is_empty()).then(|| format!("wallets = [{}]\n", list(&self.wallet)));
        let pools = (!self.pool.is_empty()).then(|| format!("pools = [{}]\n", list(&self.pool)));
        let word: String = [owner, wallets, pools].into_iter().flatten().collect();
        (!word.is_empty()).then_some(word)
    }

    fn agent_path(&self, arch: Arch) -> PathBuf {
        let built = || format!("target/{arch}-unknown-linux-musl/agent/miner").into();
        self.agent.as_ref().map_or_else(built, PathBuf::from)
    }

    /// Writes the image, and says whether it is a disk.
    fn write(&self, built: &Built<'_>, teller: &mut Teller) -> Result<bool, Failure> {
        let out = Path::new(&self.out);
        teller.step("writing");
        let saved = built.save_disk(out, &mut |progress| teller.bytes("writing", progress));
        if saved.map_err(|error| Failure::new(format!("{}: {error}", self.out)))? {
            return Ok(true);
        }
        if let Some(uki) = built.uki() {
            write(out, uki)?;
            return Ok(false);
        }
        write_all(out, &built.parts())?;
        Ok(false)
    }

    fn tell(&self, built: &Built<'_>) {
        let entries = built.entries();
        if self.json {
            let parts: Vec<_> = entries
                .iter()
                .map(|part| json!({"name": part.name, "bytes": part.size, "sha256": data_encoding::HEXLOWER.encode(&part.sha256)}))
                .collect();
            return show::say_json(
                &json!({"out": self.out, "recipe": self.recipe, "parts": parts}),
            );
        }
        let parts: Vec<_> = entries
            .iter()
            .map(|part| format!("{} {} bytes", part.name, part.size))
            .collect();
        say(format_args!(
            "{}: {} ({})",
            self.out,
            self.recipe,
            parts.join(", ")
        ));
    }
}

/// What an image is made of, from Debian's archive and the user's folders.
struct Sources<'a> {
    recipe: Recipe,
    build: &'a Build,
    packages: Option<Packages>,
    /// Names and versions of what was taken, for the manifest.
    used: Vec<(String, String)>,
}

impl<'a> Sources<'a> {
    const fn new(recipe: Recipe, build: &'a Build) -> Self {
        Self {
            recipe,
            build,
            packages: None,
            used: Vec::new(),
        }
    }

    fn kernel(&mut self, teller: &mut Teller) -> Result<Kernel, Failure> {
        if let Some(folder) = &self.build.kernel {
            return Kernel::from_folder(Path::new(folder)).map_err(Failure::new);
        }
        let package = self.fetch(Package::Kernel, teller)?;
        teller.step("unpacking the kernel");
        Kernel::from_package(&package.path).map_err(Failure::new)
    }

    fn loaders(&mut self, teller: &mut Teller) -> Result<Loaders, Failure> {
        let Recipe { arch, artefact } = self.recipe;
        let mut loaders = Loaders::default();
        if artefact == Artefact::Uki {
            let package = self.fetch(Package::EfiStub, teller)?;
            loaders.stub = Some(source::stub(&package.path, arch).map_err(Failure::new)?);
        }
        if artefact == Artefact::Disk {
            let package = self.fetch(Package::EfiStub, teller)?;
            let manager = source::one_file(&package.path, arch.boot_manager_path());
            loaders.boot_manager = Some(manager.map_err(Failure::new)?);
        }
        if artefact == Artefact::Disk && arch == Arch::X86_64 {
            teller.step("making GRUB's core");
            loaders.grub = Some(
                Grub::default()
                    .parts(&self.cache()?)
                    .map_err(Failure::new)?,
            );
        }
        if artefact == Artefact::Pi {
            let Some(folder) = &self.build.firmware else {
                return Err(Failure::usage(
                    "aarch64-pi needs --firmware: the folder with the board's bootcode.bin and start*.elf",
                ));
            };
            loaders.pi_firmware = files_below(Path::new(folder), "")?;
            let package = self.fetch(Package::Kernel, teller)?;
            let is_tree = |path: &str| path.contains(TREES) && path.ends_with(".dtb");
            let trees = deb::files(&package.path, &is_tree).map_err(Failure::new)?;
            let named = trees.into_iter().filter_map(|(path, bytes)| {
                let name = path.rsplit('/').next()?;
                Some((name.to_owned(), bytes))
            });
            loaders.device_trees = named.collect();
        }
        Ok(loaders)
    }

    fn fetch(&mut self, package: Package, teller: &mut Teller) -> Result<Fetched, Failure> {
        let mut say = |line: &str| teller.step(line);
        let packages = match self.packages.take() {
            Some(packages) => packages,
            None => {
                let cache = self.cache()?;
                Packages::update(&cache, self.recipe.arch, &self.archive(), &mut say)
                    .map_err(Failure::new)?
            }
        };
        let fetched = packages.fetch(package, &mut say).map_err(Failure::new)?;
        self.packages = Some(packages);
        let entry = (fetched.name.clone(), fetched.version.clone());
        if !self.used.contains(&entry) {
            self.used.push(entry);
        }
        Ok(fetched)
    }

    fn archive(&self) -> Archive {
        match &*self.build.archive {
            [] => Archive::OfThisMachine,
            lines => Archive::Sources {
                lines: lines.to_vec(),
                keyring: KEYRING.into(),
            },
        }
    }

    /// `--packages`, or by the XDG rules.
    fn cache(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.build.packages {
            return Ok(folder.into());
        }
        let absolute = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        let caches = caches.ok_or_else(|| Failure::usage("no HOME; say --packages FOLDER"))?;
        Ok(caches.join("lethean-desktop/packages"))
    }
}

/// All files of a folder by `prefix` and their path below it.
fn files_below(folder: &Path, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            files.extend(files_below(&entry.path(), &format!("{prefix}{name}/"))?);
        } else if kind.is_file() {
            files.push((
                format!("{prefix}{name}"),
                fs::read(entry.path()).map_err(failed)?,
            ));
        }
    }
    files.sort();
    Ok(files)
}

/// Files in a folder, which is made.
fn write_all(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    for (name, bytes) in files {
        write(&folder.join(name), bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use miner_agent::store::file::{self, Access};
    // A token may be among the bytes.
    let path = Path::new(".").join(path);
    Ok(file::write(&path, bytes, Access::Private)?)
}
