// What the cells of an ECP5 netlist do, as far as `lnpu bitstream` uses them: no carry out of a slice's other
// half, no output registers, no clock inverters. Written from the data sheet's description of each cell.

module LUT4(input A, B, C, D, output Z);
  parameter [15:0] INIT = 16'h0000;
  assign Z = INIT[{D, C, B, A}];
endmodule

// Two tables with a carry chain: the table's output is the sum bit and chooses what the carry becomes.
module CCU2C(input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT);
  parameter [15:0] INIT0 = 16'h0000;
  parameter [15:0] INIT1 = 16'h0000;
  parameter INJECT1_0 = "YES";
  parameter INJECT1_1 = "YES";
  localparam plain0 = INJECT1_0 == "NO";
  localparam plain1 = INJECT1_1 == "NO";
  wire t0 = INIT0[{D0, C0, B0, A0}];
  wire t1 = INIT1[{D1, C1, B1, A1}];
  wire c0 = t0 ? CIN : plain0 & INIT0[{2'b00, B0, A0}];
  assign S0 = t0 ^ (plain0 & CIN);
  assign S1 = t1 ^ (plain1 & c0);
  assign COUT = t1 ? c0 : plain1 & INIT1[{2'b00, B1, A1}];
endmodule

module TRELLIS_FF(input CLK, LSR, CE, DI, output reg Q);
  parameter GSR = "ENABLED";
  parameter [127:0] CEMUX = "1";
  parameter CLKMUX = "CLK";
  parameter LSRMUX = "LSR";
  parameter SRMODE = "LSR_OVER_CE";
  parameter REGSET = "RESET";
  localparam always_on = CEMUX == "1";
  localparam inverted = CEMUX == "INV";
  wire enable = always_on | (CE ^ inverted);
  wire set = LSR ^ (LSRMUX == "INV");
  initial Q = REGSET == "SET";
  always @(posedge CLK)
    if (set) Q <= REGSET == "SET";
    else if (enable) Q <= DI;
endmodule

module TRELLIS_DPR16X4(input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO);
  parameter WCKMUX = "WCK";
  parameter WREMUX = "WRE";
  parameter [63:0] INITVAL = 64'h0;
  reg [3:0] words [0:15];
  assign DO = words[RAD];
  always @(posedge WCK) if (WRE) words[WAD] <= DI;
endmodule

// 18 x 18 bits, combinational.
module MULT18X18D(
    input A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
    input B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
    input C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17,
    output P18, P19, P20, P21, P22, P23, P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35);
  wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  wire signed [37:0] wide_a = {{20{SIGNEDA & A17}}, a};
  wire signed [37:0] wide_b = {{20{SIGNEDB & B17}}, b};
  wire [37:0] p = wide_a * wide_b;
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18} = p[35:18];
  assign {P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = p[17:0];
endmodule

// 2048 bytes of 9 bits behind two ports of 1 to 18 bits, or one that writes and one that reads 36. Narrow
// ports see 8 bits of a byte. A write leaves the port's output as it is (NORMAL), or shows the new or the old
// word.
module DP16KD(
    input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15,
    input DIA16, DIA17,
    input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15,
    output DOA16, DOA17,
    input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15,
    input DIB16, DIB17,
    input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2,
    output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15,
    output DOB16, DOB17);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter GSR = "ENABLED";
  parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0, INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
  wire [35:0] da = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
                    DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8,
                    DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [35:0] db = {18'b0, da[35:18]};
  wire [13:0] aa = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] ab = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  reg [35:0] bytes [0:511];
  reg [35:0] qa, qb;

  // The word of a port in its row of four bytes, and the row with a word written.
  function [35:0] part(input [35:0] row, input [13:0] at, input integer width);
    case (width)
      36: part = row;
      18: part = {18'b0, row[18 * at[4] +: 18]};
      9: part = {27'b0, row[9 * at[4:3] +: 9]};
      4: part = {32'b0, row[9 * at[4:3] + 4 * at[2] +: 4]};
      2: part = {34'b0, row[9 * at[4:3] + 2 * at[2:1] +: 2]};
      default: part = {35'b0, row[9 * at[4:3] + at[2:0]]};
    endcase
  endfunction
  function [35:0] merged(input [35:0] row, input [13:0] at, input [35:0] word, input integer width);
    integer n;
    begin
      merged = row;
      case (width)
        36: for (n = 0; n < 4; n = n + 1) if (at[n]) merged[9 * n +: 9] = word[9 * n +: 9];
        18: for (n = 0; n < 2; n = n + 1) if (at[n]) merged[18 * at[4] + 9 * n +: 9] = word[9 * n +: 9];
        9: merged[9 * at[4:3] +: 9] = word[8:0];
        4: merged[9 * at[4:3] + 4 * at[2] +: 4] = word[3:0];
        2: merged[9 * at[4:3] + 2 * at[2:1] +: 2] = word[1:0];
        default: merged[9 * at[4:3] + at[2:0]] = word[0];
      endcase
    end
  endfunction

  wire [35:0] row_a = bytes[aa[13:5]];
  wire [35:0] row_b = bytes[ab[13:5]];
  wire [35:0] new_a = merged(row_a, aa, da, DATA_WIDTH_A);
  wire [35:0] new_b = merged(row_b, ab, db, DATA_WIDTH_B);
  always @(posedge CLKA) begin
    if (CEA & WEA & ~RSTA) bytes[aa[13:5]] <= new_a;
    if (RSTA) qa <= 0;
    else if (CEA & ~WEA) qa <= part(row_a, aa, DATA_WIDTH_A);
    else if (CEA & WRITEMODE_A == "WRITETHROUGH") qa <= part(new_a, aa, DATA_WIDTH_A);
    else if (CEA & WRITEMODE_A == "READBEFOREWRITE") qa <= part(row_a, aa, DATA_WIDTH_A);
  end
  always @(posedge CLKB) begin
    if (CEB & WEB & ~RSTB) bytes[ab[13:5]] <= new_b;
    if (RSTB) qb <= 0;
    else if (CEB & ~WEB) qb <= part(row_b, ab, DATA_WIDTH_B);
    else if (CEB & WRITEMODE_B == "WRITETHROUGH") qb <= part(new_b, ab, DATA_WIDTH_B);
    else if (CEB & WRITEMODE_B == "READBEFOREWRITE") qb <= part(row_b, ab, DATA_WIDTH_B);
  end
  wire [17:0] oa = DATA_WIDTH_B == 36 ? qb[17:0] : qa[17:0];
  wire [17:0] ob = DATA_WIDTH_B == 36 ? qb[35:18] : qb[17:0];
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
          DOA1, DOA0} = oa;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
          DOB1, DOB0} = ob;
endmodule
