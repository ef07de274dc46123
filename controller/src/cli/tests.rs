use super::*;

fn refused(args: &[&str]) -> Failure {
    parse(args).expect_err("refused")
}

#[test]
fn every_command_of_the_page_is_understood() {
    for line in [
        "node init --name my-rig --role worker",
        "node init --name control-center --role controller",
        "node info",
        "node info --json",
        "node reset",
        "node reset --yes --registry",
        "node serve --listen :9091",
        "peer add --address 192.168.1.100:9091 --name rig-alpha",
        "attention",
        "attention --json",
        "drift",
        "drift --select group=shed --reason refused --json",
        "pool list --json",
        "pool check pool.example:3333 --user wallet --pass-file - --coin monero --tls",
        "peer list",
        "peer list --json",
        "peer list --select all",
        "remote status --select group=shed --json",
        "remote stop --select state=mining --dry-run",
        "remote start --select all --profile my-profile --expect 10 --json",
        "remote rotate-key --select all --yes",
        "peer remove --select tag=old --keep-token",
        "peer ping --select all --json",
        "peer label rig-alpha --group shed --site hill --tag +a --tag -b",
        "peer label --select group=old --no-group --yes",
        "remote pause --select group=shed --dry-run",
        "remote resume --select state=paused --expect 3",
        "remote restart --select hashrate<100 --yes --json",
        "remote reboot --select group=shed",
        "remote poweroff --select site=hill --yes",
        "remote poweroff rig-alpha --yes",
        "remote locate --select name=rig-1* --seconds 5",
        "remote wake --select state=offline --yes",
        "peer remove 0123456789abcdef",
        "peer ping rig-alpha",
        "peer discover",
        "peer discover --seconds 10 --json",
        "peer remove rig-alpha --keep-token",
        "peer approve rig-alpha",
        "peer approve rig-alpha --name rig-one --json",
        "peer deny rig-alpha",
        "peer forget rig-alpha --json",
        "peer rename rig-alpha rig-one",
        "peer list --pending",
        "peer optimal",
        "peer optimal --count 3 --json",
        "token create",
        "token create --uses 10 --expires 24h --name-pattern rig-* --group east --from 10.0.0.0/8",
        "token create --pending --ephemeral --name hall --out token.txt --json",
        "token create --qr",
        "token list --json",
        "token revoke 0123",
        "node serve --controller 192.168.1.2:9091 --token-file -",
        "remote status",
        "remote status rig-alpha --json",
        "remote start rig-alpha --profile my-profile",
        "remote stop rig-alpha",
        "remote stop rig-alpha xmrig-123",
        "remote logs rig-alpha xmrig-123 --lines 100",
        "profile create --name my-profile --pool pool.example:3333 --user wallet",
        "profile list --json",
        "profile show my-profile",
        "profile delete my-profile",
        "node rotate-key",
        "node rotate-key --yes",
        "node recovery create --out recovery.key",
        "node recovery create --out recovery.key --lost --json",
        "node recovery replace --old recovery.key --out next.key",
        "node recovery show --json",
        "node recover --recovery-file -",
        "remote managers rig-alpha --json",
        "remote handover rig-alpha --to 0123456789abcdef",
        "remote revoke rig-alpha --manager 0123456789abcdef --json",
        "remote rotate-key rig-alpha",
        "up",
        "up --pool pool.example:3333 --user wallet --pass-file - --no-worker --light --threads 2",
        "up --no-announce",
        "up --tls --http 0.0.0.0:9090 --http-name farm.example --http-name 192.168.1.2",
        "node serve --http 192.168.1.2:9090 --http-plain",
        "api-token create --scope read --label grafana --expires 90d",
        "api-token create --scope admin --out admin.token --json",
        "api-token list --json",
        "api-token revoke 0123",
        "login",
        "login --scope read --json",
        "audit list --limit 20 --before 100 --json",
        "audit verify --expect 0123 --json",
        "remote start rig-alpha --profile p --confirm-payout XqPz12",
        "profile edit p --user w --confirm-payout XqPz12",
        "node serve --no-announce",
        "import xmrig config.json --dry-run",
        "import xmrig config.json --name night --json",
        "import xmrig-proxy config.json",
        "export xmrig night --out config.json",
        "config check",
        "config check --config controller.toml --json",
        "config show --json",
        "config path --json",
        "config example",
        "up --config controller.toml",
        "node serve --config controller.toml",
        "completions bash",
        "man",
        "man peer",
        "man --dir man1",
        "up --listen :9191 --http 127.0.0.1:9190 --pool-listen 127.0.0.1:3433",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        assert!(parse(&args).is_ok(), "{line}");
    }
}

#[test]
fn a_secret_in_argv_is_refused_with_a_hint_and_not_repeated() {
    for args in [
        ["peer", "add", "--pair", "HUNTER2"],
        ["peer", "add", "--pair=HUNTER2", "--tofu"],
        ["up", "--pass", "HUNTER2", "--light"],
        ["profile", "create", "--pass", "HUNTER2"],
    ] {
        let failure = refused(&args);
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.line.contains("-file"), "{}", failure.line);
        assert!(!failure.line.contains("HUNTER2"));
    }
}

#[test]
fn what_is_not_understood_is_one_line_and_exit_code_2() {
    for args in [
        &["dig"][..],
        &["peer"],
        &["peer", "rename", "rig"],
        &["peer", "add", "--address", "nonsense"],
        &["remote", "logs", "rig", "miner", "--lines", "many"],
        &["up", "--dig"],
        &[],
    ] {
        let failure = refused(args);
        assert_eq!(failure.exit, Exit::Usage, "{args:?}");
        assert_eq!(failure.line.lines().count(), 1, "{}", failure.line);
    }
}

#[test]
fn help_and_version_are_no_failures() {
    for args in [&["--help"][..], &["up", "--help"], &["--version"]] {
        assert_eq!(refused(args).exit, Exit::Ok, "{args:?}");
    }
}
