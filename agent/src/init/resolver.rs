//! `/etc/resolv.conf`: whom the C library asks for names.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;

use log::warn;

use super::Root;

/// Servers that the C library asks, at most.
const MAX_SERVERS: usize = 3;

/// Writes the file; without servers it is empty, and only addresses can be dialled.
pub(super) fn write(root: &Root, servers: &[Ipv4Addr], domain: Option<&str>) {
    let written = fs::create_dir_all(root.at("etc"))
        .and_then(|()| fs::write(root.at("etc/resolv.conf"), text(servers, domain)));
    if let Err(error) = written {
        warn!("no names can be resolved: {error}");
    }
}

fn text(servers: &[Ipv4Addr], domain: Option<&str>) -> String {
    let mut text = String::new();
    // A server's words go into a file: nothing but a domain does.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if let Some(domain) = domain
        && !domain.is_empty()
        && domain.bytes().all(plain)
    {
        let _ = writeln!(text, "search {domain}");
    }
    for server in servers.iter().take(MAX_SERVERS) {
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_servers_are_named_and_no_more() {
        let servers = [1, 2, 3, 4].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let (_folder, root) = Root::with(&[]);
        write(&root, &servers, Some("farm.lan"));
        let text = fs::read_to_string(root.at("etc/resolv.conf")).expect("written");
        let three = "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n";
        assert_eq!(text, format!("search farm.lan\n{three}"));
    }

    #[test]
    fn what_is_no_domain_does_not_get_into_the_file() {
        assert_eq!(text(&[], Some("lan\nnameserver 6.6.6.6")), "");
        assert_eq!(text(&[], Some("")), "");
    }
}
