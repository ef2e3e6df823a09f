//! Which addresses lie on the public internet.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A range of addresses, such as `10.0.0.0/8` or `fd00::/8`; a single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    first: IpAddr,
    prefix: u8,
}

impl AddressRange {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(segments: [u16; 8], prefix: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix }
    }

    /// Whether an address lies in it. An IPv4 address in an IPv6 form is not one in an IPv4 range.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                same_prefix(first.to_bits().into(), address.to_bits().into(), 32 - self.prefix)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => same_prefix(first.to_bits(), address.to_bits(), 128 - self.prefix),
            _ => false,
        }
    }
}

/// Whether two numbers are equal but for their last `free` bits.
fn same_prefix(one: u128, other: u128, free: u8) -> bool {
    (one ^ other).checked_shr(free.into()).unwrap_or(0) == 0
}

/// The text is not a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a range of addresses is written such as 10.0.0.0/8 or fd00::/8")]
pub struct MalformedRange;

impl FromStr for AddressRange {
    type Err = MalformedRange;

    fn from_str(text: &str) -> Result<Self, MalformedRange> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let first: IpAddr = address.parse().map_err(|_| MalformedRange)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), str::parse).map_err(|_| MalformedRange)?;
        if prefix > most { Err(MalformedRange) } else { Ok(Self { first, prefix }) }
    }
}

impl TryFrom<String> for AddressRange {
    type Error = MalformedRange;

    fn try_from(text: String) -> Result<Self, MalformedRange> {
        text.parse()
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// What is not globally reachable, after IANA's registries of special-purpose addresses (RFC 6890) and of multicast.
const NOT_PUBLIC_V4: &[AddressRange] = &[
    // "This" network and the unspecified address.
    AddressRange::v4(0, 0, 0, 0, 8),
    AddressRange::v4(10, 0, 0, 0, 8),
    // Behind carriers' translation (RFC 6598); some clouds keep metadata here.
    AddressRange::v4(100, 64, 0, 0, 10),
    AddressRange::v4(127, 0, 0, 0, 8),
    // Link-local, with the metadata service of most clouds.
    AddressRange::v4(169, 254, 0, 0, 16),
    // Azure's platform services, reachable from inside its machines alone.
    AddressRange::v4(168, 63, 129, 16, 32),
    AddressRange::v4(172, 16, 0, 0, 12),
    AddressRange::v4(192, 0, 0, 0, 24),
    AddressRange::v4(192, 0, 2, 0, 24),
    // Anycast relays of 6to4.
    AddressRange::v4(192, 88, 99, 0, 24),
    AddressRange::v4(192, 168, 0, 0, 16),
    AddressRange::v4(198, 18, 0, 0, 15),
    AddressRange::v4(198, 51, 100, 0, 24),
    AddressRange::v4(203, 0, 113, 0, 24),
    // Multicast, reserved, broadcast.
    AddressRange::v4(224, 0, 0, 0, 3),
];

/// The same of IPv6, within what is assigned for global unicast.
const NOT_PUBLIC_V6: &[AddressRange] = &[
    // Protocol assignments, with Teredo and its embedded addresses.
    AddressRange::v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    AddressRange::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    // 6to4: an IPv4 address in an IPv6 one.
    AddressRange::v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    AddressRange::v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// All that is assigned for global unicast. Outside lie loopback, unspecified, IPv4-mapped and -compatible forms, NAT64,
/// unique local, link-local, site-local and multicast addresses.
const GLOBAL_UNICAST: AddressRange = AddressRange::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Whether an address is one of the public internet, written in its own form: one that holds another is not.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(|range| range.contains(address)),
        IpAddr::V6(_) => GLOBAL_UNICAST.contains(address) && !NOT_PUBLIC_V6.iter().any(|range| range.contains(address)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for text in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.15.0.1", "172.32.0.1", "192.167.1.1", "223.255.255.254"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["2606:4700::1111", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ranges_are_read() {
        let contains = |range: &str, address: &str| range.parse::<AddressRange>().unwrap().contains(address.parse().unwrap());
        assert!(contains("127.0.0.0/8", "127.9.9.9") && !contains("127.0.0.0/8", "128.0.0.1"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "::1") && contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fc00::1"));
        assert!(contains("10.1.2.3", "10.1.2.3") && !contains("10.1.2.3", "10.1.2.4"));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "localhost", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert_eq!(wrong.parse::<AddressRange>(), Err(MalformedRange), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_form_of_a_v4_address_gets_through(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
            let six_to_four = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
            for form in [v4.to_ipv6_mapped(), nat64, six_to_four, compatible] {
                prop_assert!(!is_public(form.into()));
            }
        }

        #[test]
        fn ranges_print_as_they_are_read(bits: u32, prefix in 0u8..=32) {
            let text = format!("{}/{prefix}", Ipv4Addr::from_bits(bits));
            prop_assert_eq!(text.parse::<AddressRange>().unwrap().to_string(), text);
        }
    }
}
