//! Discovery with the real programs, on a network that exists for the length of the test.
//!
//! The test runs itself again in a network namespace of its own, where it is alone with one bridge and
//! the programs that it starts: nothing leaves the machine, and nobody else on it is heard. That takes
//! root; where it is impossible the test says so on standard error and passes.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use core::time::Duration;
use std::io::Write as _;
use std::net::UdpSocket;
use std::process::Command;
use std::{env, io};

use farm_tests::home::{Home, MINER, MINER_CTRL};
use farm_tests::service::Service;
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// Set in the inner run.
const INSIDE: &str = "FARM_TEST_NETWORK";
/// The network of the test.
const NETWORK: &str = "ip link set lo up && ip link add lan0 type bridge \
                       && ip addr add 192.0.2.1/24 dev lan0 && ip link set lan0 up";

type Outcome = Result<(), String>;

/// Runs `test` in a namespace of its own.
fn alone_on_a_network(name: &str, test: fn() -> Outcome) -> Outcome {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    // Built outside, where cargo may have something to fetch.
    Home::new("builder")
        .unwrap()
        .run(MINER, &["--version"])?
        .ok()?;
    let unshare = |command: &mut Command| command.output().map_err(|error| error.to_string());
    let possible = unshare(Command::new("unshare").args(["--net", "sh", "-c", NETWORK]));
    let why = match possible {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error),
    };
    if let Some(why) = why {
        // Not by the macro, whose output the test harness keeps.
        let line = format!("SKIPPED {name}: no network namespace: {why}\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
        return Ok(());
    }
    let inner = format!("{NETWORK} && exec \"$0\" --exact {name} --nocapture");
    let ran = unshare(
        Command::new("unshare")
            .args(["--net", "sh", "-c", &inner])
            .arg(env::current_exe().unwrap())
            .env(INSIDE, "1"),
    )?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&ran.stdout), text(&ran.stderr));
    if ran.status.success() && out.contains("1 passed") {
        return Ok(());
    }
    Err(format!("{out}\n{err}"))
}

fn node(name: &'static str, program: &str, role: &str) -> Result<Home, String> {
    let home = Home::new(name).unwrap();
    home.run(program, &["node", "init", "--name", name, "--role", role])?
        .ok()?;
    Ok(home)
}

fn serve(home: &Home, program: &str, more: &[&str], expect: &str) -> Result<Service, String> {
    let mut service = home.serve(program, &[&["node", "serve"], more].concat())?;
    service.expect(expect, START)?;
    Ok(service)
}

fn fingerprint(home: &Home, program: &str) -> Result<String, String> {
    let info = home.run(program, &["node", "info", "--json"])?.json()?;
    Ok(info["fingerprint"].as_str().unwrap().to_owned())
}

/// What `peer discover` lists: names with address, fingerprint and what the registry knows.
fn discover(home: &Home) -> Result<Vec<[String; 4]>, String> {
    let arguments = ["peer", "discover", "--seconds", "2", "--json"];
    let answer = home.run(MINER_CTRL, &arguments)?.json()?;
    assert_eq!(answer["lost"], 0);
    let found = answer["found"].as_array().unwrap();
    let text = |node: &Value, key| node[key].as_str().unwrap().to_owned();
    let node = |node| ["name", "address", "fingerprint", "registry"].map(|key| text(node, key));
    Ok(found.iter().map(node).collect())
}

#[test]
fn nodes_find_each_other_and_nothing_is_enrolled() -> Outcome {
    alone_on_a_network("nodes_find_each_other_and_nothing_is_enrolled", || {
        let (alpha, center) = (
            node("rig-alpha", MINER, "worker")?,
            node("control-center", MINER_CTRL, "controller")?,
        );
        let quiet = node("rig-quiet", MINER, "worker")?;
        let announced = "announced on the local network";
        let mut rig = serve(&alpha, MINER, &["--listen", ":9191"], announced)?;
        let hidden = ["--listen", ":9192", "--no-announce"];
        let _quiet = serve(&quiet, MINER, &hidden, "listening")?;
        let ports = ["--http", "127.0.0.1:0", "--listen", ":9091"];
        let mut controller = serve(&center, MINER_CTRL, &ports, "http://")?;

        let key = fingerprint(&alpha, MINER)?;
        let alpha_is =
            |registry: &str| ["rig-alpha", "192.0.2.1:9191", &key, registry].map(str::to_owned);
        assert_eq!(
            discover(&center)?,
            [alpha_is("new")],
            "neither itself nor the quiet one"
        );
        let shown = center
            .run(MINER_CTRL, &["peer", "discover", "--seconds", "2"])?
            .ok()?;
        let add = shown.lines().last().unwrap();
        let expected = format!(
            "miner-ctrl peer add --address 192.0.2.1:9191 --name \"rig-alpha\" --fingerprint {key}"
        );
        assert_eq!(add, expected);

        // Without a running controller, on another machine: it finds the controller as well.
        let laptop = node("laptop", MINER_CTRL, "controller")?;
        let center_key = fingerprint(&center, MINER_CTRL)?;
        let center_is = ["control-center", "192.0.2.1:9091", &center_key, "new"];
        assert_eq!(
            discover(&laptop)?,
            [center_is.map(str::to_owned), alpha_is("new")]
        );

        // All that asking and listing has enrolled nobody, on either side.
        for list in [
            &["peer", "list"][..],
            &["peer", "list", "--removed"],
            &["peer", "list", "--pending"],
        ] {
            let listed = center
                .run(MINER_CTRL, &[list, &["--json"]].concat())?
                .json()?;
            assert_eq!(listed.as_array().map(Vec::len), Some(0), "{list:?}");
        }
        let managers = alpha.run(MINER, &["peer", "list"])?.ok()?;
        assert!(managers.starts_with("nobody is obeyed yet"), "{managers}");
        assert_eq!(managers.lines().count(), 1, "nobody has asked: {managers}");

        // The command as it was shown, after the rig's owner agreed.
        alpha.run(MINER, &["peer", "accept", &center_key])?.ok()?;
        let words: Vec<&str> = add
            .split(' ')
            .skip(1)
            .map(|word| word.trim_matches('"'))
            .collect();
        center.run(MINER_CTRL, &words)?.ok()?;
        assert_eq!(discover(&center)?, [alpha_is("known")]);
        center
            .run(MINER_CTRL, &["peer", "remove", "rig-alpha"])?
            .ok()?;
        assert_eq!(discover(&center)?, [alpha_is("removed")]);

        rig.interrupt(START)?;
        controller.interrupt(START)?;
        Ok(())
    })
}

#[test]
fn a_rig_without_the_port_says_so_once_and_serves() -> Outcome {
    alone_on_a_network("a_rig_without_the_port_says_so_once_and_serves", || {
        // A program that shares the port with nobody.
        let _taken = UdpSocket::bind("0.0.0.0:5353").unwrap();
        let alpha = node("rig-alpha", MINER, "worker")?;
        let warning = "not announced on the local network";
        let _rig = serve(&alpha, MINER, &["--listen", ":9191"], warning)?;
        std::net::TcpStream::connect("192.0.2.1:9191").map_err(|error| error.to_string())?;
        let laptop = node("laptop", MINER_CTRL, "controller")?;
        let asked = laptop.run(MINER_CTRL, &["peer", "discover", "--seconds", "1"])?;
        assert_eq!(asked.code, Some(1));
        let said = asked.stderr.contains("UDP port 5353");
        assert!(
            said && asked.stderr.contains("(SERVICE_UNAVAILABLE)"),
            "{asked:#?}"
        );
        Ok(())
    })
}
