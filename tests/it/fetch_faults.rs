use std::time::{Duration, Instant};

use crate::fetch_nights::{FIFTH, night, sums, visible};
use crate::server::{Asked, Reply, Server, fetch};
use crate::world::{Said, World};

/// A server with one night and its sum; the night is answered as `answer` says, from its bytes.
fn archive(answer: impl Fn(&Asked, usize, &[u8]) -> Reply + Send + Sync + 'static) -> (Server, Vec<u8>) {
    let fifth = night(1..4);
    let (bytes, list) = (fifth.clone(), sums(&[(FIFTH, &fifth)]));
    let server = Server::start(move |asked, earlier| match asked.path.as_str() {
        "/MD5SUMS" => Reply::whole(list.as_bytes()),
        _ => answer(asked, earlier, &bytes),
    });
    (server, fifth)
}

fn ask(world: &World, server: &Server, more: &str) -> Said {
    fetch(world, &format!("nights 20240105 --base {} {more}", server.url))
}

/// Fetches in one command and expects the right bytes, after so many requests for the night.
#[track_caller]
fn expect_whole(answer: impl Fn(&Asked, usize, &[u8]) -> Reply + Send + Sync + 'static, requests: usize) -> Vec<Asked> {
    let world = World::new();
    let (server, fifth) = archive(answer);
    let said = ask(&world, &server, "");
    said.expect(0, "fetched 1");
    assert!(std::fs::read(world.path("data").join(FIFTH)).unwrap() == fifth);
    let asked = server.asked(FIFTH);
    assert_eq!(asked.len(), requests, "{said:?}");
    let left: Vec<_> = std::fs::read_dir(world.path("data")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the night, the list and the lock: {left:?}");
    asked
}

/// Fetches, expects failure with these words, and that nothing has the final name.
#[track_caller]
fn expect_nothing(
    answer: impl Fn(&Asked, usize, &[u8]) -> Reply + Send + Sync + 'static,
    more: &str,
    says: &str,
    requests: usize,
) {
    let world = World::new();
    let (server, _) = archive(answer);
    ask(&world, &server, more).expect(1, says).expect(1, "fetched 0");
    assert_eq!(server.asked(FIFTH).len(), requests);
    assert!(visible(&world).is_empty(), "{:?}", visible(&world));
}

#[test]
fn a_cut_answer_goes_on_where_it_ended() {
    let asked = expect_whole(
        |asked, earlier, bytes| {
            let reply = Reply::file(asked, bytes, "\"one\"");
            if earlier == 0 { reply.cut(50_000) } else { reply }
        },
        2,
    );
    assert!(!asked[0].headers.contains_key("range"));
    assert_eq!(
        (asked[1].headers["range"].as_str(), asked[1].headers["if-range"].as_str()),
        ("bytes=50000-", "\"one\"")
    );
}

#[test]
fn the_next_command_goes_on_unless_the_file_has_changed() {
    for (tag, status) in [("\"one\"", 206), ("\"two\"", 200)] {
        let world = World::new();
        let (server, fifth) = archive(move |asked, earlier, bytes| match earlier {
            // Other bytes under the old tag, so that taking them for the new ones would be seen.
            0 if tag == "\"two\"" => Reply::file(asked, &vec![7; bytes.len()], "\"one\"").cut(50_000),
            0 => Reply::file(asked, bytes, "\"one\"").cut(50_000),
            _ => {
                let reply = Reply::file(asked, bytes, tag);
                assert!(format!("{reply:?}").contains(&format!("status: {status}")));
                reply
            }
        });
        ask(&world, &server, "--tries 1").expect(1, "gave up after 1 tries: run the same command again later");
        assert!(visible(&world).is_empty());
        ask(&world, &server, "--tries 1").expect(0, "fetched 1");
        assert!(std::fs::read(world.path("data").join(FIFTH)).unwrap() == fifth);
        assert_eq!(server.asked(FIFTH)[1].headers["range"], "bytes=50000-");
    }
}

#[test]
fn servers_that_do_not_go_on_are_asked_for_all_of_it() {
    let cut_first = |reply: Reply, earlier: usize| if earlier == 0 { reply.cut(50_000) } else { reply };
    // It has no ranges, and says all of it again.
    expect_whole(move |_, earlier, bytes| cut_first(Reply::whole(bytes).with("ETag", "\"one\""), earlier), 2);
    // Nothing that would tell whether the rest belongs to the part: it is not asked for.
    for tag in ["W/\"one\"", ""] {
        let asked = expect_whole(move |_, n, bytes| cut_first(Reply::whole(bytes).with("ETag", tag), n), 2);
        assert!(!asked[1].headers.contains_key("range"));
    }
    // The time of the last change will do.
    let time = "Sun, 06 Nov 1994 08:49:37 GMT";
    let asked = expect_whole(
        move |asked, n, bytes| cut_first(Reply::file(asked, bytes, time).with("Last-Modified", time), n),
        2,
    );
    assert_eq!(asked[1].headers["if-range"], time);
    // A part from elsewhere than asked for, and none at all.
    for wrong in [206, 416] {
        expect_whole(
            move |_, earlier, bytes| match earlier {
                0 => Reply::whole(bytes).with("ETag", "\"one\"").cut(50_000),
                1 if wrong == 206 => Reply::whole(&bytes[40_000..])
                    .under(206)
                    .with("Content-Range", &format!("bytes 40000-{}/{}", bytes.len() - 1, bytes.len())),
                1 => Reply::status(416),
                _ => Reply::whole(bytes),
            },
            3,
        );
    }
}

/// At most so many bytes of the file in one answer.
fn ranged(asked: &Asked, bytes: &[u8], most: usize) -> Reply {
    let from = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let Some(from) = from.map(|from| from.parse::<usize>().unwrap()) else {
        return Reply::file(asked, bytes, "\"one\"").cut(most);
    };
    let end = bytes.len().min(from + most);
    let range = format!("bytes {from}-{}/{}", end - 1, bytes.len());
    Reply::whole(&bytes[from..end]).under(206).with("Content-Range", &range)
}

/// It sends at most so many bytes, and does not say of how many.
fn ranged_without_end(asked: &Asked, bytes: &[u8], most: usize, behind: &str) -> Reply {
    let from = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    match from.map(|from| from.parse::<usize>().unwrap()) {
        None => Reply::file(asked, bytes, "\"one\"").cut(most),
        Some(from) if from >= bytes.len() && behind.is_empty() => Reply::status(416),
        Some(from) if from >= bytes.len() => Reply::status(416).with("Content-Range", &format!("bytes */{behind}")),
        Some(from) => {
            let end = bytes.len().min(from + most);
            let range = format!("bytes {from}-{}/*", end - 1);
            Reply::whole(&bytes[from..end]).under(206).with("Content-Range", &range)
        }
    }
}

#[test]
fn a_file_of_which_no_answer_says_the_length_ends_where_the_server_has_no_more() {
    for says_length in [true, false] {
        let asked = expect_whole(
            move |asked, _, bytes| {
                let behind = if says_length { bytes.len().to_string() } else { String::new() };
                ranged_without_end(asked, bytes, bytes.len().div_ceil(3), &behind)
            },
            4,
        );
        assert!(asked[3].headers["range"] != asked[2].headers["range"], "behind the last byte");
    }
    // Another length than that of what is here: all of it again.
    expect_whole(
        |asked, earlier, bytes| match earlier {
            0..4 => ranged_without_end(asked, bytes, bytes.len().div_ceil(3), "7"),
            _ => Reply::whole(bytes),
        },
        5,
    );
}

#[test]
fn a_server_may_send_less_than_all_that_is_left() {
    let world = World::new();
    let (server, fifth) = archive(|asked, _, bytes| ranged(asked, bytes, bytes.len().div_ceil(5)));
    // The cut first answer is one failure; that the later ones end before the file is none.
    ask(&world, &server, "--tries 2").expect(0, "fetched 1");
    assert!(std::fs::read(world.path("data").join(FIFTH)).unwrap() == fifth);
    assert_eq!(server.asked(FIFTH).len(), 5);
    // A range is as good as much that has come: tries are counted anew.
    let failing = |asked: &Asked, earlier: usize, bytes: &[u8]| match earlier {
        0 | 1 | 3 | 5 => ranged(asked, bytes, bytes.len().div_ceil(4)),
        _ if earlier < 6 => Reply::status(503),
        _ => ranged(asked, bytes, bytes.len()),
    };
    let (world, (server, _)) = (World::new(), archive(failing));
    ask(&world, &server, "--tries 3").expect(0, "fetched 1");
}

#[test]
fn a_part_is_no_answer_to_who_asks_for_all() {
    let part = |_: &Asked, _, bytes: &[u8]| {
        let range = format!("bytes 0-9999/{}", bytes.len());
        Reply::whole(&bytes[..10_000]).under(206).with("Content-Range", &range)
    };
    expect_nothing(part, "", "206 Partial Content", 1);
    expect_nothing(|_, _, _| Reply::status(416), "", "416 Range Not Satisfiable", 1);
    for status in [206, 416] {
        let world = World::new();
        let server = Server::start(move |_, _| Reply::whole(b"").under(status));
        ask(&world, &server, "").expect(1, "MD5SUMS: the server answers").expect(1, "failed 1");
        assert!(server.asked(FIFTH).is_empty());
    }
}

#[test]
fn a_list_of_sums_without_any_is_said() {
    let (world, fifth) = (World::new(), night(1..3));
    let server = Server::of_files(&[(FIFTH, &fifth), ("MD5SUMS", b"<html>Moved</html>\n")]);
    ask(&world, &server, "").expect(0, "MD5SUMS: what the server sends").expect(0, "fetched 1");
}

#[test]
fn a_server_that_falls_silent_is_left_and_asked_again() {
    let begun = Instant::now();
    expect_whole(
        |asked, earlier, bytes| match earlier {
            0 => Reply::file(asked, bytes, "\"one\"").cut(50_000).stalled(),
            // Not even a head.
            1 => Reply::bare(b"").with("Content-Length", "99").stalled(),
            _ => Reply::file(asked, bytes, "\"one\""),
        },
        3,
    );
    assert!((1.0..15.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
}

#[test]
fn failing_servers_are_asked_again_and_given_up() {
    for status in [429, 500, 502, 503] {
        let failing = move |asked: &Asked, earlier, bytes: &[u8]| match earlier {
            0..3 => Reply::status(status),
            _ => Reply::file(asked, bytes, "\"one\""),
        };
        expect_whole(failing, 4);
    }
    expect_nothing(|_, _, _| Reply::status(503), "--tries 4", "503 Service Unavailable; gave up after 4 tries", 4);
    expect_nothing(|_, _, _| Reply::status(403), "", "403 Forbidden; asking again would not help", 1);
}

/// 3 MiB, of which a server sends 1.25 MiB at a time.
#[test]
fn tries_are_counted_anew_only_while_more_comes_than_ever_before() {
    const PIECE: usize = 5 << 18;
    let bytes: Vec<u8> = (0..3 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (tag, code, says) in [("\"one\"", 0, "fetched 1"), ("", 1, "gave up after 2 tries")] {
        let (world, body, list) = (World::new(), bytes.clone(), sums(&[(FIFTH, &bytes)]));
        let server = Server::start(move |asked, _| match asked.path.as_str() {
            "/MD5SUMS" => Reply::whole(list.as_bytes()),
            _ => Reply::file(asked, &body, tag).cut(PIECE),
        });
        ask(&world, &server, "--tries 2").expect(code, says);
        assert_eq!(server.asked(FIFTH).len(), 3 - usize::from(tag.is_empty()));
        assert_eq!(visible(&world).len(), usize::from(code == 0));
    }
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept() {
    let asked = expect_whole(
        |asked, earlier, bytes| match earlier {
            0 => Reply::status(429).with("Retry-After", "1"),
            _ => Reply::file(asked, bytes, "\"one\""),
        },
        2,
    );
    assert!(asked[1].at - asked[0].at >= Duration::from_millis(990), "{:?}", asked[1].at - asked[0].at);
    let later = |_: &Asked, _, _: &[u8]| Reply::status(503).with("Retry-After", "3600");
    expect_nothing(later, "", "asks to come back in 3600 s", 1);
}

#[test]
fn a_wrong_sum_keeps_nothing_and_others_come() {
    let world = World::new();
    let (fifth, sixth) = (night(1..2), night(2..3));
    let list = sums(&[(FIFTH, &sixth), ("ztf_public_20240106.tar.gz", &sixth)]);
    let server =
        Server::of_files(&[(FIFTH, &fifth), ("ztf_public_20240106.tar.gz", &sixth), ("MD5SUMS", list.as_bytes())]);
    let said = fetch(&world, &format!("nights 20240105..20240106 --base {}", server.url));
    said.expect(1, "its MD5 sum is").expect(1, "fetched 1 (").expect(1, "failed 1");
    assert_eq!(visible(&world), ["ztf_public_20240106.tar.gz"]);
    assert!(!world.path(&format!("data/.{FIFTH}.part")).exists());
    assert_eq!(server.asked(FIFTH).len(), 2, "once more, and not again");
}

#[test]
fn without_sums_a_night_is_read_to_its_end() {
    let fifth = night(1..3);
    for (body, says) in [
        // No length, no sum: only the file itself tells that it was cut.
        (&fifth[..fifth.len() - 10], "no whole .tar.gz"),
        (b"<html>Log in first</html>".as_slice(), "no whole .tar.gz (not gzipped)"),
    ] {
        let world = World::new();
        let body = body.to_vec();
        let server = Server::start(move |asked, _| match asked.path.as_str() {
            "/MD5SUMS" => Reply::status(404),
            _ => Reply::bare(&body),
        });
        ask(&world, &server, "").expect(1, says);
        assert!(visible(&world).is_empty());
    }
}

#[test]
fn redirections_are_followed_a_few_times_and_only_on_the_web() {
    let moved = |asked: &Asked, earlier: usize, bytes: &[u8]| match (asked.path.starts_with("/new/"), earlier) {
        (false, _) => Reply::status(302).with("Location", &format!("/new/{FIFTH}")),
        (true, 0) => Reply::file(asked, bytes, "\"one\"").cut(50_000),
        (true, _) => Reply::file(asked, bytes, "\"one\""),
    };
    let asked = expect_whole(moved, 4);
    assert_eq!(
        (asked[3].path.as_str(), asked[3].headers["range"].as_str()),
        (&*format!("/new/{FIFTH}"), "bytes=50000-")
    );
    let around = |_: &Asked, n: usize, _: &[u8]| Reply::status(302).with("Location", &format!("/{n}/{FIFTH}"));
    expect_nothing(around, "", "asking again would not help", 6);
    let file = |_: &Asked, _, _: &[u8]| Reply::status(302).with("Location", "file:///etc/passwd");
    expect_nothing(file, "", "asking again would not help", 1);
}

#[test]
fn an_answer_has_a_largest_size() {
    let endless = |_: &Asked, _, _: &[u8]| Reply::bare(&vec![0; 1 << 16]).endless();
    expect_nothing(endless, "--max-size 1M", "larger than 1048576 bytes", 1);
    let huge = |_: &Asked, _, _: &[u8]| Reply::bare(b"").with("Content-Length", "99999999999999").stalled();
    expect_nothing(huge, "", "larger than", 1);
}

#[test]
fn nobody_listens() {
    let world = World::new();
    // A port that was free a moment ago.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let said = fetch(&world, &format!("nights 20240105 --tries 3 --base {url}"));
    said.expect(1, "gave up after 3 tries").expect(1, "trying again in");
    assert!(visible(&world).is_empty());
}

#[test]
fn requests_keep_their_distance() {
    let world = World::new();
    let server = Server::of_files(&[]);
    fetch(&world, &format!("nights 20240105..20240107 --rate 5 --base {}", server.url)).expect(1, "server 3");
    let times: Vec<Instant> = server.asked("").iter().map(|asked| asked.at).collect();
    assert_eq!(times.len(), 4);
    // From first to last: single ones may be noted late.
    assert!(times[3] - times[0] >= Duration::from_millis(550), "{:?}", times[3] - times[0]);
}
