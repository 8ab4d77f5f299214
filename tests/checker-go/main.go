// Command checker-go verifies an exported log without any code of the project that wrote it.
//
// It uses only the Go standard library and golang.org/x/mod/sumdb (note, tlog), as packaged by Debian, so that two
// implementations with no line in common must agree on every byte. The rules are those of schemas/spec/tiles.md, "Export".
//
//	checker-go [-proofs N] DIR VKEY
//
// Exit code 0: the export holds. 1: it is refused, with the reason on standard error. 2: wrong usage.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight         = 8
	tileWidth          = 1 << tileHeight
	checkpointBytesMax = 32768
	bundleBytesMax     = tileWidth * (2 + 65535)
)

func main() {
	proofs := flag.Int64("proofs", 1000, "inclusion proofs to check; all when the log has no more entries than that")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: checker-go [-proofs N] DIR VKEY")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || *proofs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	summary, err := check(flag.Arg(0), flag.Arg(1), *proofs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("ok:", summary)
}

func check(dir, vkey string, proofs int64) (string, error) {
	found, err := list(dir)
	if err != nil {
		return "", err
	}
	origin, tree, err := readCheckpoint(dir, vkey)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	if tree.N/tileWidth > int64(len(found)) {
		return "", fmt.Errorf("%d files cannot hold %d entries", len(found), tree.N)
	}
	tiles, bundles := layout(tree.N)
	if err := compareFiles(found, tiles, bundles); err != nil {
		return "", err
	}
	reader := &tileReader{dir: dir, cache: map[string][]byte{}}
	leaves, err := checkTiles(reader, tree, tiles)
	if err != nil {
		return "", err
	}
	if err := checkBundles(dir, bundles, leaves); err != nil {
		return "", err
	}
	inclusions, err := checkInclusion(reader, tree, leaves, proofs)
	if err != nil {
		return "", err
	}
	consistencies, err := checkConsistency(reader, tree, leaves)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s size %d root %s: %d tiles, %d bundles, %d inclusion proofs, %d consistency proofs",
		origin, tree.N, tree.Hash, len(tiles), len(bundles), inclusions, consistencies), nil
}

// list returns the files below dir; anything but plain files in non-empty folders is refused.
func list(dir string) (map[string]bool, error) {
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			children, err := os.ReadDir(path)
			if err != nil {
				return err
			}
			if len(children) == 0 {
				return fmt.Errorf("%s is an empty folder", rel)
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no plain file", rel)
		}
		found[rel] = true
		return nil
	})
	return found, err
}

// read returns the bytes of a file of at most limit bytes.
func read(dir, path string, limit int64) ([]byte, error) {
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return data, nil
}

// readCheckpoint verifies that the checkpoint has exactly one line, of the key, which is named as the log.
func readCheckpoint(dir, vkey string) (string, tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", tree, fmt.Errorf("key: %w", err)
	}
	data, err := read(dir, "checkpoint", checkpointBytesMax)
	if err != nil {
		return "", tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return "", tree, err
	}
	if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 0 {
		return "", tree, errors.New("it has signature lines other than the log's")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(opened.Sigs[0].Base64)
	if err != nil {
		return "", tree, fmt.Errorf("signature: %w", err)
	}
	// note.Open drops a repeated line and reads base64 leniently: what it read must print back to the file.
	printed := opened.Text + "\n\u2014 " + verifier.Name() + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
	if printed != string(data) {
		return "", tree, errors.New("it is not in its one byte form")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", tree, fmt.Errorf("its text has %d lines, expected 3", len(lines)-1)
	}
	if lines[0] != verifier.Name() {
		return "", tree, fmt.Errorf("origin is %s, the key is that of %s", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return "", tree, fmt.Errorf("size %q is no decimal without leading zeros", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return "", tree, fmt.Errorf("root %q is no base64 of 32 bytes", lines[2])
	}
	tree.N = size
	copy(tree.Hash[:], root)
	return lines[0], tree, nil
}

// layout lists the tiles and bundles of a tree of a size.
func layout(size int64) (tiles, bundles []tlog.Tile) {
	row := func(level int, count int64) (row []tlog.Tile) {
		for n := int64(0); n < count/tileWidth; n++ {
			row = append(row, tlog.Tile{H: tileHeight, L: level, N: n, W: tileWidth})
		}
		if width := int(count % tileWidth); width > 0 {
			row = append(row, tlog.Tile{H: tileHeight, L: level, N: count / tileWidth, W: width})
		}
		return row
	}
	for level, count := 0, size; count > 0; level, count = level+1, count/tileWidth {
		tiles = append(tiles, row(level, count)...)
	}
	return tiles, row(-1, size)
}

// path turns the path of the Go packages (tile/8/L/N, tile/8/data/N) into that of tlog-tiles.
func path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if tile.L < 0 {
		path = "entries" + strings.TrimPrefix(path, "data")
	}
	return "tile/" + path
}

func compareFiles(found map[string]bool, tiles, bundles []tlog.Tile) error {
	rest := map[string]bool{}
	for file := range found {
		rest[file] = true
	}
	expected := []string{"checkpoint"}
	for _, tile := range append(append([]tlog.Tile{}, tiles...), bundles...) {
		expected = append(expected, path(tile))
	}
	for _, file := range expected {
		if !rest[file] {
			return fmt.Errorf("%s is missing", file)
		}
		delete(rest, file)
	}
	unknown := []string{}
	for file := range rest {
		unknown = append(unknown, file)
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return fmt.Errorf("%s does not belong here", unknown[0])
	}
	return nil
}

// tileReader reads tiles from the folder for the tlog package, which authenticates them against the root.
type tileReader struct {
	dir   string
	cache map[string][]byte
}

func (r *tileReader) Height() int { return tileHeight }

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		name := path(tile)
		data, ok := r.cache[name]
		if !ok {
			var err error
			if data, err = read(r.dir, name, int64(tile.W)*tlog.HashSize); err != nil {
				return nil, err
			}
			if len(data) != tile.W*tlog.HashSize {
				return nil, fmt.Errorf("%s has %d bytes, expected %d", name, len(data), tile.W*tlog.HashSize)
			}
			r.cache[name] = data
		}
		out = append(out, data)
	}
	return out, nil
}

// checkTiles authenticates every tile against the root and returns the leaf hashes.
func checkTiles(reader *tileReader, tree tlog.Tree, tiles []tlog.Tile) ([]tlog.Hash, error) {
	hashes := tlog.TileHashReader(tree, reader)
	var leaves []tlog.Hash
	for _, tile := range tiles {
		held, err := reader.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return nil, err
		}
		authentic, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path(tile), err)
		}
		if !bytes.Equal(held[0], authentic) {
			return nil, fmt.Errorf("%s differs from what the root commits to", path(tile))
		}
		for at := 0; tile.L == 0 && at < len(authentic); at += tlog.HashSize {
			var leaf tlog.Hash
			copy(leaf[:], authentic[at:])
			leaves = append(leaves, leaf)
		}
	}
	if root := treeRoot(leaves); root != tree.Hash {
		return nil, fmt.Errorf("leaf hashes lead to the root %s, the checkpoint states %s", root, tree.Hash)
	}
	return leaves, nil
}

// treeRoot is the definition of RFC 6962 section 2.1.
func treeRoot(leaves []tlog.Hash) tlog.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	split := 1
	for split*2 < len(leaves) {
		split *= 2
	}
	return tlog.NodeHash(treeRoot(leaves[:split]), treeRoot(leaves[split:]))
}

// checkBundles compares every entry of every bundle with its leaf hash.
func checkBundles(dir string, bundles []tlog.Tile, leaves []tlog.Hash) error {
	for _, bundle := range bundles {
		name := path(bundle)
		data, err := read(dir, name, bundleBytesMax)
		if err != nil {
			return err
		}
		for place := 0; place < bundle.W; place++ {
			if len(data) < 2 {
				return fmt.Errorf("%s ends before entry %d", name, place)
			}
			length := int(binary.BigEndian.Uint16(data))
			data = data[2:]
			if len(data) < length {
				return fmt.Errorf("%s ends inside entry %d", name, place)
			}
			index := bundle.N*tileWidth + int64(place)
			if tlog.RecordHash(data[:length]) != leaves[index] {
				return fmt.Errorf("entry %d in %s does not hash to its leaf", index, name)
			}
			data = data[length:]
		}
		if len(data) != 0 {
			return fmt.Errorf("%s has %d trailing bytes", name, len(data))
		}
	}
	return nil
}

// checkInclusion makes and checks an inclusion proof for every entry, or for about as many as asked, evenly spread.
func checkInclusion(reader *tileReader, tree tlog.Tree, leaves []tlog.Hash, proofs int64) (int, error) {
	hashes := tlog.TileHashReader(tree, reader)
	count := 0
	one := func(index int64) error {
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return fmt.Errorf("inclusion proof of entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaves[index]); err != nil {
			return fmt.Errorf("inclusion proof of entry %d: %w", index, err)
		}
		count++
		return nil
	}
	step := (tree.N + proofs - 1) / proofs
	for index := int64(0); index < tree.N; index += step {
		if err := one(index); err != nil {
			return count, err
		}
	}
	if tree.N > 0 && (tree.N-1)%step != 0 {
		if err := one(tree.N - 1); err != nil {
			return count, err
		}
	}
	return count, nil
}

// checkConsistency checks that several smaller trees, computed from the leaves alone, are continued by the signed one.
func checkConsistency(reader *tileReader, tree tlog.Tree, leaves []tlog.Hash) (int, error) {
	hashes := tlog.TileHashReader(tree, reader)
	sizes := map[int64]bool{}
	for _, size := range []int64{1, 2, tileWidth - 1, tileWidth, tileWidth + 1, tree.N / 3, tree.N / 2, tree.N - 1, tree.N} {
		if size >= 1 && size <= tree.N {
			sizes[size] = true
		}
	}
	for size := range sizes {
		proof, err := tlog.ProveTree(tree.N, size, hashes)
		if err != nil {
			return 0, fmt.Errorf("consistency proof from %d: %w", size, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, size, treeRoot(leaves[:size])); err != nil {
			return 0, fmt.Errorf("consistency proof from %d: %w", size, err)
		}
	}
	return len(sizes), nil
}
