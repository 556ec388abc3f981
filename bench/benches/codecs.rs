//! Packets to values and back. dhcproto reads the same DISCOVER for comparison.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dhcproto::{Decodable, Decoder, v4};
use reveille_bench::{DISCOVER, GET};
use reveille_core::wire::dhcp4::{Header, Message, MessageType};
use reveille_core::wire::dhcp4_options::{MessageWriter, Options, code};
use reveille_core::wire::http::{RequestHead, ResponseWriter, Status};
use reveille_core::wire::{path, tftp};

/// OVMF asking for its boot program.
const READ_REQUEST: &[u8] = include_bytes!("../../fuzz/corpus/tftp/uefi-pxe-proxy-10e848599b63");

fn dhcp4(c: &mut Criterion) {
    let mut group = c.benchmark_group("dhcp4");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse DISCOVER", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(DISCOVER)).expect("a real one");
            let mut scratch = [0; 512];
            let options = Options::parse(&message, &mut scratch).expect("a real one");
            black_box(options.message_type)
        });
    });
    group.bench_function("parse DISCOVER (dhcproto)", |b| {
        b.iter(|| {
            let message = v4::Message::decode(&mut Decoder::new(black_box(DISCOVER)));
            black_box(message.expect("a real one").opts().msg_type())
        });
    });
    let request = Message::parse(DISCOVER).expect("a real one");
    group.bench_function("write OFFER", |b| {
        let mut buffer = [0; 1472];
        b.iter(|| {
            let header = Header::reply(request.header());
            let mut offer = MessageWriter::new(&mut buffer, &header, MessageType::Offer);
            offer.put_address(code::SERVER_ID, Ipv4Addr::new(10, 0, 0, 1));
            offer.put_u32(code::LEASE_TIME, 3600);
            offer.put_address(code::SUBNET_MASK, Ipv4Addr::new(255, 255, 255, 0));
            offer.put_addresses(code::ROUTER, &[Ipv4Addr::new(10, 0, 0, 1)]);
            offer.put_addresses(code::DOMAIN_NAME_SERVER, &[Ipv4Addr::new(10, 0, 0, 1)]);
            offer.put_text_nul(code::BOOT_FILE_NAME, b"node/52-54-00-12-34-56.7/ipxe/snponly.efi");
            black_box(offer.finish().expect("it fits"))
        });
    });
    group.finish();
}

fn tftp(c: &mut Criterion) {
    let mut group = c.benchmark_group("tftp");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse ACK", |b| {
        let ack = tftp::emit_ack(77);
        b.iter(|| black_box(tftp::parse(black_box(&ack))).is_ok());
    });
    group.bench_function("parse RRQ and normalise its name", |b| {
        b.iter(|| {
            let packet = tftp::parse(black_box(READ_REQUEST)).expect("a real one");
            let tftp::Packet::ReadRequest(request) = packet else { panic!("a read request") };
            let mut name = [0; path::NAME_BYTES_MAX];
            black_box(path::normalise(request.file_name, &mut name).expect("a good name").len())
        });
    });
    group.finish();
}

fn http(c: &mut Criterion) {
    let mut group = c.benchmark_group("http");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse GET", |b| {
        b.iter(|| black_box(RequestHead::parse(black_box(GET))).is_ok());
    });
    group.bench_function("write response head", |b| {
        let mut buffer = [0; 1024];
        b.iter(|| {
            let mut head = ResponseWriter::new(&mut buffer, Status::OK);
            head.content_type("application/octet-stream");
            head.content_length(black_box(64 << 20));
            head.accept_ranges();
            head.etag("\"00000000000003e8-4000000\"");
            head.put_field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
            black_box(head.finish().expect("it fits"))
        });
    });
    group.finish();
}

criterion_group!(benches, dhcp4, tftp, http);
criterion_main!(benches);
